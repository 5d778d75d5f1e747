"""Copying a webhook (M9): all alike but its name, its secret and that it is paused."""

import msgspec
from msgspec.structs import replace

from hookstream.model.policy import Policy
from hookstream.model.records import Header
from hookstream.model.seal import Keys, SealedError, header_place
from hookstream.store.webhooks import WebhookRow
from services.console.configured import check_name
from services.console.fresh import new_id, new_name, nonce
from services.console.problems import Problem
from services.console.sealing import secret_for, signed_by


def copied_row(
    before: WebhookRow, name: str | None, policy: Policy, keys: Keys
) -> tuple[WebhookRow, str | None]:
    """The copy's row and its secret in clear, to be shown once. Its URL must verify again."""
    name = name if name is not None else new_name()
    check_name(name)
    id_, secret = new_id("wh"), secret_for(policy.signature, None)
    row = replace(
        before,
        id=id_,
        version=1,
        name=name,
        state="paused",
        state_reason="a copy starts paused",
        headers=_resealed(before, id_, keys),
        verified_url=None,
        created_at=None,
        changed_at=None,
        **signed_by(keys, before.workspace, id_, policy.signature, secret),
    )
    return row, secret


def _resealed(before: WebhookRow, webhook: str, keys: Keys) -> bytes:
    """The headers for that webhook: a sealed value opens only where it belongs."""
    made = [_moved(header, before, webhook, keys) for header in before.header_list()]
    return msgspec.msgpack.encode(made)


def _moved(header: Header, before: WebhookRow, webhook: str, keys: Keys) -> Header:
    if not header.private:
        return header
    try:
        plain = keys.open(header.value, header_place(before.workspace, before.id, header.name))
    except SealedError:
        detail = f"the private header {header.name} cannot be opened: another key sealed it"
        hint = "give it a value again: PATCH /v1/webhooks/{id}"
        raise Problem(409, "sealed", detail, field=f"headers.{header.name}", hint=hint) from None
    sealed = keys.seal(plain, header_place(before.workspace, webhook, header.name), nonce())
    return replace(header, value=sealed)
