"""Deliveries that wait for a paused or disabled webhook (once.md 22)."""

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec
from msgspec import Struct
from psycopg.rows import class_row

from hookstream.model.records import Event, Kind, Webhook
from hookstream.store.fold import DeliveryRow
from hookstream.store.pool import Cursor

_COLUMNS = "webhook, logged_at_ms, delivery, workspace, event, event_type, subject, kind, reason"
_PUT = f"""
INSERT INTO parked ({_COLUMNS}, parked_at_ms)
SELECT webhook, logged_at_ms, id, workspace, event, event_type, subject, kind, reason, ended_at_ms
FROM deliveries WHERE id = ANY(%s) AND day = ANY(%s) AND state = 'parked'
ON CONFLICT (webhook, logged_at_ms, delivery) DO UPDATE
    SET reason = excluded.reason, parked_at_ms = excluded.parked_at_ms
"""  # noqa: S608 - names are ours
_END = """
DELETE FROM parked USING deliveries AS d
WHERE d.id = ANY(%s) AND d.day = ANY(%s) AND d.state <> 'parked' AND parked.delivery = d.id
    AND parked.webhook = d.webhook AND parked.logged_at_ms = d.logged_at_ms
"""
_WEBHOOKS = """
WITH RECURSIVE waiting AS (
    (SELECT webhook FROM parked ORDER BY webhook LIMIT 1)
    UNION ALL
    SELECT (SELECT p.webhook FROM parked AS p WHERE p.webhook > waiting.webhook
            ORDER BY p.webhook LIMIT 1)
    FROM waiting WHERE waiting.webhook IS NOT NULL
)
SELECT w.record FROM waiting JOIN webhooks AS w ON w.id = waiting.webhook WHERE w.state = %s
"""
"""One look into the index for each webhook that has any, however many wait for it."""


class Parked(Struct, frozen=True, kw_only=True):
    """One delivery that waits."""

    webhook: str
    logged_at_ms: int
    delivery: str
    workspace: str
    event: str
    event_type: str
    subject: str | None
    kind: Kind
    reason: str | None


def follow(cursor: Cursor, rows: Sequence[DeliveryRow], *, new: bool) -> None:
    """Put what is parked now, end what is not any more; after `deliveries` has these rows.

    `new`: as for `deliveries.write`; a first turn then ends nothing.
    """
    parked = [row for row in rows if row.state == "parked"]
    ended = [row for row in rows if row.state != "parked" and not (new and row.turn == 1)]
    if parked:
        cursor.execute(_PUT, _keys(parked))
    if ended:
        cursor.execute(_END, _keys(ended))


def _keys(rows: Iterable[DeliveryRow]) -> tuple[list[str], list[date]]:
    return [row.id for row in rows], sorted({row.day for row in rows})


def waiting_webhooks(cursor: Cursor, state: str) -> list[Webhook]:
    """The webhooks in this state that something waits for."""
    found = cursor.execute(_WEBHOOKS, (state,)).fetchall()
    return [msgspec.msgpack.decode(raw, type=Webhook) for (raw,) in found]


def take(cursor: Cursor, webhook: str, limit: int) -> list[Parked]:
    """Take the oldest that wait for a webhook off the table; others may take theirs meanwhile."""
    return _take(cursor, "webhook = %s ORDER BY logged_at_ms, delivery LIMIT %s", (webhook, limit))


def take_with_event(cursor: Cursor, webhook: str, limit: int) -> list[tuple[Parked, Event]]:
    """The same, but only those whose event the log has, each with it."""
    taken = _take(
        cursor,
        "webhook = %s AND EXISTS (SELECT FROM events AS e"
        " WHERE e.workspace = parked.workspace AND e.id = parked.event)"
        " ORDER BY logged_at_ms, delivery LIMIT %s",
        (webhook, limit),
    )
    events = event_of(cursor, {(p.workspace, p.event) for p in taken})
    return [(p, events[p.workspace, p.event]) for p in taken]


def take_before(cursor: Cursor, logged_at_ms: int, limit: int) -> list[Parked]:
    """The same for those older than a time, of any webhook."""
    return _take(cursor, "logged_at_ms < %s ORDER BY logged_at_ms LIMIT %s", (logged_at_ms, limit))


def take_of_day(cursor: Cursor, day: date, limit: int) -> list[Parked]:
    """The same for those whose event goes when this day goes."""
    return _take(
        cursor,
        "EXISTS (SELECT FROM events AS e WHERE e.workspace = parked.workspace"
        " AND e.id = parked.event AND e.day = %s) LIMIT %s",
        (day, limit),
    )


def _take(cursor: Cursor, which: str, values: tuple[object, ...]) -> list[Parked]:
    rows = cursor.connection.cursor(row_factory=class_row(Parked))
    rows.execute(
        f"WITH chosen AS (SELECT webhook, logged_at_ms, delivery FROM parked WHERE {which}"  # noqa: S608
        " FOR UPDATE OF parked SKIP LOCKED)"
        " DELETE FROM parked USING chosen WHERE parked.webhook = chosen.webhook"
        " AND parked.logged_at_ms = chosen.logged_at_ms AND parked.delivery = chosen.delivery"
        f" RETURNING {', '.join('parked.' + c for c in _COLUMNS.split(', '))}".encode(),
        values,
    )
    return sorted(rows.fetchall(), key=lambda p: (p.logged_at_ms, p.delivery))


def event_of(cursor: Cursor, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Event]:
    """The events with these (workspace, id), as far as the log has them."""
    wanted = sorted(keys)
    found = cursor.execute(
        "SELECT DISTINCT ON (e.workspace, e.id)"
        " e.workspace, e.id, e.type, e.created_at_ms, e.data, e.source, e.subject, e.webhook"
        " FROM unnest(%s::text[], %s::text[]) AS wanted (workspace, id)"
        " JOIN events AS e ON e.workspace = wanted.workspace AND e.id = wanted.id"
        " ORDER BY e.workspace, e.id, e.day",
        ([w for w, _ in wanted], [i for _, i in wanted]),
    )
    events = (Event(**dict(zip(_EVENT, row, strict=True))) for row in found.fetchall())
    return {(event.workspace, event.id): event for event in events}


_EVENT = ("workspace", "id", "type", "created_at_ms", "data", "source", "subject", "webhook")
