"""From what a person asked for to an integration's row, and how a webhook may belong to one."""

from typing import Any

from msgspec.structs import replace

from hookstream.model.errors import Refusal
from hookstream.model.policy import Policy, Signature
from hookstream.model.seal import Keys
from hookstream.model.urls import check_part, check_url
from hookstream.store.integrations import IntegrationRow
from hookstream.store.webhooks import WebhookRow
from services.console.api.integration_bodies import IntegrationChange, IntegrationIn
from services.console.compile import full_url
from services.console.fresh import new_id
from services.console.problems import must
from services.console.sealing import sealed_headers

_UNSIGNED = Signature(scheme="none")
"""Whether a header is the one that a policy signs in is for its webhooks to say."""


def new_row(body: IntegrationIn, workspace: str, keys: Keys) -> IntegrationRow:
    """A new integration's row. 422 where it makes no sense."""
    id_ = new_id("int")
    made = IntegrationRow(
        id=id_,
        workspace=workspace,
        name=body.name,
        root_url=body.root_url,
        headers=sealed_headers(keys, workspace, id_, body.headers, _UNSIGNED),
        rate_per_s=body.rate_per_s,
        shards=body.shards,
    )
    return _checked(made)


def changed_row(before: IntegrationRow, body: IntegrationChange, keys: Keys) -> IntegrationRow:
    """The row one version later. 422 where it makes no sense."""
    given: dict[str, Any] = body.model_dump(exclude_unset=True, exclude={"version", "headers"})
    if body.headers is not None:
        given["headers"] = sealed_headers(
            keys, before.workspace, before.id, body.headers, _UNSIGNED, before.header_list()
        )
    return _checked(replace(before, version=before.version + 1, **given))


def deleted_row(before: IntegrationRow) -> IntegrationRow:
    """The row one version later, without what was sealed in it."""
    return replace(before, version=before.version + 1, state="deleted", headers=b"\x90")


def unfit(row: WebhookRow, shared: IntegrationRow, policy: Policy) -> Refusal | None:
    """Why a webhook cannot stay with its integration as that has become; None where it can."""
    return check_part(shared.root_url, row.url) or check_url(
        full_url(row.url, shared), policy.https_only
    )


def unfit_lane(row: WebhookRow) -> Refusal | None:
    """Why a webhook cannot have its rate and shards; None where it can. Those of an integration
    are shared by its webhooks: none has its own (M2)."""
    if row.integration is None:
        return _unfit_shards(row.rate_per_s, row.shards)
    for field, value, plain in (("rate_per_s", row.rate_per_s, None), ("shards", row.shards, 1)):
        if value != plain:
            return Refusal(
                code=f"{field.removesuffix('_per_s')}_shared",
                field=field,
                detail=f"{field} is the integration's, shared by all its webhooks",
                hint=f"send {field}: {'null' if plain is None else plain} here; change it there",
            )
    return None


def _checked(row: IntegrationRow) -> IntegrationRow:
    must(check_url(row.root_url, https_only=False), "root_url")
    must(_unfit_shards(row.rate_per_s, row.shards))
    return row


def _unfit_shards(rate_per_s: float | None, shards: int) -> Refusal | None:
    if rate_per_s is None or shards == 1 or rate_per_s >= shards:
        return None
    detail = "each shard has its part of the rate, and that is less than a request a second"
    hint = f"at most {max(1, int(rate_per_s))} for this rate; one shard takes thousands a second"
    return Refusal(code="too_many_shards", field="shards", detail=detail, hint=hint)
