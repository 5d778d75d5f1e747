"""Webhooks: as people configured them, beside the record that was compiled of it."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct
from psycopg.rows import class_row

from hookstream.model.records import Header, Webhook, WebhookState
from hookstream.store.change import Change
from hookstream.store.pool import Pool
from hookstream.store.rows import Rows


class WebhookRow(Struct, frozen=True, kw_only=True):
    """A webhook as it rests. Secrets and private headers are sealed."""

    id: str
    workspace: str
    version: int = 1
    name: str
    """The system name: unique in the workspace in whatever case, never changes."""
    display_name: str | None = None
    description: str | None = None
    state: WebhookState = "active"
    state_reason: str | None = None
    url: str
    method: str = "POST"
    events: list[str]
    policy: str
    secrets: list[bytes]
    headers: bytes
    """`tuple[Header, ...]`, as msgpack."""
    content_type: str | None = "application/json"
    rate_per_s: float | None = None
    max_in_flight: int = 128
    send_traceparent: bool = False
    integration: str | None = None
    """With it `url` is a part added to the integration's root, or empty."""
    headers_off: list[str] = []
    """Inherited headers, in small letters, that it leaves out."""
    secrets_until_ms: list[int] = []
    """Beside `secrets`, newest first: until when each signs, 0: without end; empty: all so."""
    public_keys: list[str] = []
    """Beside `secrets`, of asymmetric ones: what receivers check them by; else empty."""
    sources: list[str] = []
    template: str | None = None
    properties: bytes | None = None
    extract: bytes = b"{}"
    shards: int = 1
    retry_delay_ms: int | None = None
    retry_requests: int | None = None
    verified_url: str | None = None
    """The whole URL that has answered a verification; empty: none, but events were kept before."""
    created_at: datetime | None = None
    changed_at: datetime | None = None

    def header_list(self) -> tuple[Header, ...]:
        """The headers it adds, values of private ones sealed."""
        return msgspec.msgpack.decode(self.headers, type=tuple[Header, ...])


WEBHOOKS = Rows("webhooks", "webhook", WebhookRow)

_COLUMNS = ", ".join(WebhookRow.__struct_fields__)


def with_policy(change: Change, workspace: str, policy: str, limit: int) -> list[WebhookRow]:
    """Up to `limit` webhooks that follow a policy, for this transaction alone."""
    return _some(change, limit, policy=policy, workspace=workspace)


def with_integration(
    change: Change, workspace: str, integration: str, limit: int
) -> list[WebhookRow]:
    """Up to `limit` webhooks of an integration, for this transaction alone."""
    return _some(change, limit, integration=integration, workspace=workspace)


def of_workspace(change: Change, workspace: str, limit: int) -> list[WebhookRow]:
    """Up to `limit` webhooks of a workspace, for this transaction alone."""
    return _some(change, limit, workspace=workspace)


def _some(change: Change, limit: int, **equal: str) -> list[WebhookRow]:
    where = " AND ".join(f"{column} = %s" for column in equal)
    with change.cursor.connection.cursor(row_factory=class_row(WebhookRow)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM webhooks WHERE {where}"  # noqa: S608 - columns are ours
            " AND state <> 'deleted' ORDER BY id LIMIT %s FOR UPDATE".encode(),
            (*equal.values(), limit),
        ).fetchall()


def compiled(pool: Pool, workspace: str) -> list[Webhook]:
    """Every webhook of a workspace as router and deliverer know it."""
    with pool.connection() as connection:
        found = connection.execute(
            "SELECT record FROM webhooks WHERE workspace = %s AND state <> 'deleted' ORDER BY id",
            (workspace,),
        )
        return [msgspec.msgpack.decode(row[0], type=Webhook) for row in found]


def locked_version(change: Change, webhook: str, version: int) -> Webhook | None:
    """This version's record, for this transaction alone; None where another stands by now."""
    row = change.cursor.execute(
        "SELECT record FROM webhooks WHERE id = %s AND version = %s AND state <> 'deleted'"
        " FOR UPDATE",
        (webhook, version),
    ).fetchone()
    return None if row is None else msgspec.msgpack.decode(row[0], type=Webhook)


def disable(change: Change, webhook: str, version: int, reason: str) -> Webhook | None:
    """Disable the version that failed, if it still stands and is active; the record as published.

    None where nothing was hit: it was edited, paused, disabled or deleted meanwhile.
    """
    before = locked_version(change, webhook, version)
    if before is None or before.state != "active":
        return None
    return _published(change, before, "disabled", reason)


def _published(change: Change, before: Webhook, state: Literal["disabled"], reason: str) -> Webhook:
    after = msgspec.structs.replace(before, state=state, version=before.version + 1)
    change.cursor.execute(
        "UPDATE webhooks SET state = %s, state_reason = %s, version = %s, record = %s,"
        " changed_at = now() WHERE id = %s",
        (state, reason, after.version, change.configure(after), after.id),
    )
    change.audit(
        "disable",
        "webhook",
        after.id,
        workspace=after.workspace,
        version=after.version,
        changed=("state", "state_reason"),
    )
    return after


def compiled_some(pool: Pool, workspace: str, webhooks: Collection[str]) -> dict[str, Webhook]:
    """These webhooks by id, also those that were deleted."""
    with pool.connection() as connection:
        found = connection.execute(
            "SELECT record FROM webhooks WHERE workspace = %s AND id = ANY(%s)",
            (workspace, list(webhooks)),
        )
        decoded = [msgspec.msgpack.decode(row[0], type=Webhook) for row in found]
    return {webhook.id: webhook for webhook in decoded}
