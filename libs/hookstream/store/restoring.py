"""Configuration back into Postgres from what the config topic holds, by the higher version.

Compiled records hold all that a delivery needs, by value. What only people need rests in Postgres
alone and does not come back from here: names of keys, descriptions, integrations as such, audit.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct
from psycopg import sql
from psycopg.rows import class_row

from hookstream.model.policy import Policy
from hookstream.model.records import ApiKey, Cancellation, EventType, Webhook, Workspace
from hookstream.store.integrations import IntegrationRow
from hookstream.store.pool import Cursor
from hookstream.store.webhooks import WebhookRow

RESTORED = "restored"
"""Name of what has lost its own."""
OWN_POLICY = "pol_"
"""How the ids of policies begin that a workspace has made; the others are files."""
_CANCELLED_FOR_MS = 8 * 86_400_000
Values = dict[str, object]


class Table(NamedTuple):
    """A table of configuration: its key, and what an older row keeps."""

    name: str
    key: tuple[str, ...] = ("id",)
    kept: tuple[str, ...] = ()


WORKSPACES = Table("workspaces", kept=("default_policy",))
API_KEYS = Table("api_keys", kept=("name", "hint"))
EVENT_TYPES = Table("event_types", key=("workspace", "name"))
POLICIES = Table("policies")
WEBHOOKS = Table("webhooks")
CANCELLATIONS = Table("cancellations", key=("delivery",), kept=("until_ms",))


def restore(cursor: Cursor, records: Iterable[Struct]) -> Counter[str]:
    """Write every record that Postgres has not, or has older; how many rows of each table.

    A record of a workspace that nobody knows is left out, and counted as `without_workspace`.
    """
    there = list(records)
    done: Counter[str] = Counter()
    spaces = [r for r in there if isinstance(r, Workspace)]
    done["workspaces"] = _put(cursor, WORKSPACES, [_workspace(r) for r in spaces])
    known = {id_ for (id_,) in cursor.execute("SELECT id FROM workspaces")}
    ours = [r for r in there if getattr(r, "workspace", None) in known]
    lost = [r for r in there if hasattr(r, "workspace") and r.workspace not in known]
    webhooks = sorted((r for r in ours if isinstance(r, Webhook)), key=lambda w: w.version)
    keys = [_key(r) for r in ours if isinstance(r, ApiKey)]
    types = [_event_type(r) for r in ours if isinstance(r, EventType)]
    cancelled = [_cancellation(r) for r in ours if isinstance(r, Cancellation)]
    done["api_keys"] = _put(cursor, API_KEYS, keys)
    done["event_types"] = _put(cursor, EVENT_TYPES, types)
    done["policies"] = _put(cursor, POLICIES, _policies(webhooks))
    done["webhooks"] = _webhooks(cursor, webhooks)
    done["cancellations"] = _put(cursor, CANCELLATIONS, cancelled)
    done["without_workspace"] = len(lost)
    return done


def _put(cursor: Cursor, table: Table, rows: Sequence[Values]) -> int:
    """Deleted ones first: their names are free then."""
    ordered = sorted(rows, key=lambda row: row.get("state") != "deleted")
    if not ordered:
        return 0
    columns = list(ordered[0])
    changing = [c for c in columns if c not in (*table.key, *table.kept)]
    changed = [sql.SQL("{0} = excluded.{0}").format(sql.Identifier(c)) for c in changing]
    query = sql.SQL(
        "INSERT INTO {0} ({1}) VALUES ({2}) ON CONFLICT ({3}) DO UPDATE SET {4}"
        " WHERE {0}.version < excluded.version"
    ).format(
        sql.Identifier(table.name),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Placeholder() * len(columns)),
        sql.SQL(", ").join(map(sql.Identifier, table.key)),
        sql.SQL(", ").join(changed),
    )
    cursor.executemany(query, [list(row.values()) for row in ordered])
    return max(cursor.rowcount, 0)


def _webhooks(cursor: Cursor, records: Sequence[Webhook]) -> int:
    with cursor.connection.cursor(row_factory=class_row(WebhookRow)) as typed:
        fields = ", ".join(WebhookRow.__struct_fields__)
        found = typed.execute(f"SELECT {fields} FROM webhooks".encode())  # noqa: S608 - ours
        before = {row.id: row for row in found}
    with cursor.connection.cursor(row_factory=class_row(IntegrationRow)) as typed:
        fields = ", ".join(IntegrationRow.__struct_fields__)
        query = f"SELECT {fields} FROM integrations WHERE state <> 'deleted'"  # noqa: S608 - ours
        shared = {row.id: row for row in typed.execute(query.encode())}
    newer = [r for r in records if r.id not in before or before[r.id].version < r.version]
    return _put(cursor, WEBHOOKS, [webhook_values(r, before.get(r.id), shared) for r in newer])


def webhook_values(
    record: Webhook, before: WebhookRow | None, shared: Mapping[str, IntegrationRow]
) -> Values:
    """The row of a compiled webhook. Pure. One whose integration is still there stays in it; else
    it stands alone, with all that it had from it. `record` is kept as it stands on the topic."""
    integration = shared.get(record.lane)
    if integration is not None and not record.url.startswith(integration.root_url):
        integration = None
    own = [header for header in record.headers if header.owner is None]
    schedule, chosen = record.policy.schedule, record.policy.most_requests is not None
    alone = integration is None
    values: Values = {
        "id": record.id,
        "workspace": record.workspace,
        "version": record.version,
        "name": record.name,
        "display_name": before.display_name if before else None,
        "description": before.description if before else None,
        "state": record.state,
        "state_reason": RESTORED if record.state in ("disabled", "unverified") else None,
        "url": record.url if integration is None else record.url[len(integration.root_url) :],
        "method": record.method,
        "events": list(record.events),
        "policy": record.policy.id,
        "secrets": list(record.secrets),
        "headers": msgspec.msgpack.encode(record.headers if alone else own),
        "content_type": record.content_type,
        "rate_per_s": record.rate_per_s if alone else None,
        "max_in_flight": record.max_in_flight,
        "send_traceparent": record.send_traceparent,
        "integration": None if integration is None else integration.id,
        "headers_off": [] if alone or before is None else before.headers_off,
        "secrets_until_ms": list(record.secrets_until_ms),
        "public_keys": [],
        "sources": list(record.sources),
        "template": record.template,
        "properties": record.properties,
        "extract": msgspec.json.encode(record.extract),
        "shards": record.shards if alone else 1,
        "retry_delay_ms": schedule.delays_ms[0] if chosen and schedule.delays_ms else None,
        "retry_requests": schedule.max_requests if chosen else None,
        "verified_url": _verified_url(record),
        "record": msgspec.msgpack.encode(record),
    }
    return values


def _verified_url(record: Webhook) -> str | None:
    if not record.was_verified:
        return None
    return "" if record.state == "unverified" else record.url


def _policies(webhooks: Collection[Webhook]) -> list[Values]:
    """Those that a workspace has made and some webhook follows, in their newest version."""
    newest: dict[str, tuple[str, Policy]] = {}
    for webhook in webhooks:
        policy = webhook.policy
        if policy.id.startswith(OWN_POLICY):
            known = newest.get(policy.id)
            if known is None or known[1].version < policy.version:
                newest[policy.id] = webhook.workspace, policy
    return [
        {
            "id": policy.id,
            "workspace": workspace,
            "version": policy.version,
            "name": policy.name,
            "state": "active",
            "rules": msgspec.msgpack.encode(policy),
        }
        for workspace, policy in newest.values()
    ]


def _workspace(record: Workspace) -> Values:
    return {
        "id": record.id,
        "version": record.version,
        "name": record.name,
        "state": record.state,
        "unknown_types": record.unknown_types,
        "default_policy": "standard",
        "record": msgspec.msgpack.encode(record),
    }


def _key(record: ApiKey) -> Values:
    return {
        "id": record.id,
        "workspace": record.workspace,
        "version": record.version,
        "name": RESTORED,
        "role": record.role,
        "sha256": record.sha256,
        "hint": "",
        "state": record.state,
        "record": msgspec.msgpack.encode(record),
    }


def _event_type(record: EventType) -> Values:
    return {
        "workspace": record.workspace,
        "name": record.name,
        "version": record.version,
        "group_name": record.group,
        "description": record.description,
        "json_schema": record.json_schema,
        "sample": record.sample,
        "state": record.state,
        "record": msgspec.msgpack.encode(record),
    }


def _cancellation(record: Cancellation) -> Values:
    return {
        "delivery": record.delivery,
        "workspace": record.workspace,
        "version": record.version,
        "until_ms": record.at_ms + _CANCELLED_FOR_MS,
        "record": msgspec.msgpack.encode(record),
    }
