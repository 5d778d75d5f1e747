"""Deliveries that wait for a paused or disabled webhook (once.md 22)."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date

import msgspec
from msgspec import Struct
from psycopg.rows import class_row

from hookstream.model.records import Event, Kind, Webhook
from hookstream.store.fold import DeliveryRow
from hookstream.store.pool import Cursor, Pool

_COLUMNS = (
    "webhook, logged_at_ms, delivery, workspace, event, event_type, subject, kind, reason,"
    " parked_at_ms"
)
_PUT = f"""
INSERT INTO parked ({_COLUMNS})
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
_WAITED_FOR = """
WITH RECURSIVE waiting AS (
    (SELECT webhook FROM parked ORDER BY webhook LIMIT 1)
    UNION ALL
    SELECT (SELECT p.webhook FROM parked AS p WHERE p.webhook > waiting.webhook
            ORDER BY p.webhook LIMIT 1)
    FROM waiting WHERE waiting.webhook IS NOT NULL
)
"""
"""One look into the index for each webhook that has any, however many wait for it."""
_TO_DO = (
    _WAITED_FOR
    + """
SELECT w.record, w.discard_till_ms FROM waiting JOIN webhooks AS w ON w.id = waiting.webhook
WHERE w.state IN ('active', 'deleted') OR w.discard_till_ms IS NOT NULL
"""
)
_CROWDED = (
    _WAITED_FOR
    + """
SELECT webhook FROM waiting WHERE EXISTS
    (SELECT FROM parked AS p WHERE p.webhook = waiting.webhook OFFSET %s LIMIT 1)
"""
)
COUNTED = 10_000
"""What waits for a webhook is counted up to here."""


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
    parked_at_ms: int


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


class ToDo(Struct, frozen=True):
    """A webhook with parked deliveries that may go, or must end."""

    webhook: Webhook
    discard_till_ms: int | None
    """What was parked till then is given up, also what is read of later."""


def to_do(cursor: Cursor) -> list[ToDo]:
    """The webhooks with something to release, to discard, or to end because they were deleted."""
    found = cursor.execute(_TO_DO).fetchall()
    return [ToDo(msgspec.msgpack.decode(raw, type=Webhook), till) for raw, till in found]


def now(cursor: Cursor, webhook: str) -> ToDo | None:
    """The same of one webhook as it is now, and stays until this transaction ends."""
    row = cursor.execute(
        "SELECT record, discard_till_ms FROM webhooks WHERE id = %s FOR SHARE", (webhook,)
    ).fetchone()
    return None if row is None else ToDo(msgspec.msgpack.decode(row[0], type=Webhook), row[1])


def crowded(cursor: Cursor, most: int) -> list[str]:
    """The webhooks that more than `most` deliveries wait for."""
    if cursor.execute("SELECT FROM parked OFFSET %s LIMIT 1", (most,)).fetchone() is None:
        return []
    return [webhook for (webhook,) in cursor.execute(_CROWDED, (most,))]


def counts(pool: Pool, webhooks: Collection[str]) -> dict[str, int]:
    """How many wait for each of these webhooks, those given up apart; counted up to `COUNTED`."""
    with pool.connection() as connection, connection.cursor() as cursor:
        return counts_in(cursor, webhooks)


def counts_in(cursor: Cursor, webhooks: Collection[str]) -> dict[str, int]:
    """The same within a transaction."""
    found = cursor.execute(
        "SELECT w.id, (SELECT count(*) FROM (SELECT FROM parked AS p WHERE p.webhook = w.id"
        " AND p.parked_at_ms > coalesce(w.discard_till_ms, -1) LIMIT %s) AS counted)"
        " FROM webhooks AS w WHERE w.id = ANY(%s)",
        (COUNTED, list(webhooks)),
    )
    return {webhook: int(count) for webhook, count in found}


def discard(cursor: Cursor, webhook: str, till_ms: int) -> None:
    """Give up what was parked for a webhook till then; status ends it, page by page."""
    cursor.execute(
        "UPDATE webhooks SET discard_till_ms = greatest(discard_till_ms, %s) WHERE id = %s",
        (till_ms, webhook),
    )


def take(cursor: Cursor, webhook: str, limit: int) -> list[Parked]:
    """Take the oldest that wait for a webhook off the table; others may take theirs meanwhile."""
    return _take(cursor, "webhook = %s ORDER BY logged_at_ms, delivery LIMIT %s", (webhook, limit))


def take_one(cursor: Cursor, webhook: str, delivery: str, logged_at_ms: int) -> Parked | None:
    """Take one off; None where it does not wait any more."""
    which = "webhook = %s AND logged_at_ms = %s AND delivery = %s"
    found = _take(cursor, which, (webhook, logged_at_ms, delivery))
    return found[0] if found else None


def take_with_event(
    cursor: Cursor, webhook: str, limit: int, after_ms: int | None = None
) -> list[tuple[Parked, Event]]:
    """The oldest whose event the log has, each with it; only those parked after `after_ms`."""
    taken = _take(
        cursor,
        "webhook = %s AND parked_at_ms > %s AND EXISTS (SELECT FROM events AS e"
        " WHERE e.workspace = parked.workspace AND e.id = parked.event)"
        " ORDER BY logged_at_ms, delivery LIMIT %s",
        (webhook, -1 if after_ms is None else after_ms, limit),
    )
    events = event_of(cursor, {(p.workspace, p.event) for p in taken})
    return [(p, events[p.workspace, p.event]) for p in taken]


def take_discarded(cursor: Cursor, webhook: str, till_ms: int, limit: int) -> list[Parked]:
    """Those of a webhook that were parked no later than `till_ms`."""
    which = "webhook = %s AND parked_at_ms <= %s ORDER BY parked_at_ms LIMIT %s"
    return _take(cursor, which, (webhook, till_ms, limit))


def take_beyond(cursor: Cursor, webhook: str, most: int, limit: int) -> list[Parked]:
    """The oldest of a webhook that has more than `most`, so many as it has more."""
    return _take(
        cursor,
        "webhook = %s AND (logged_at_ms, delivery) <= (SELECT p.logged_at_ms, p.delivery"
        " FROM parked AS p WHERE p.webhook = %s ORDER BY p.logged_at_ms DESC, p.delivery DESC"
        " OFFSET %s LIMIT 1) ORDER BY logged_at_ms, delivery LIMIT %s",
        (webhook, webhook, most, limit),
    )


def take_before(cursor: Cursor, parked_at_ms: int, limit: int) -> list[Parked]:
    """Those that were parked before a time, for any webhook."""
    return _take(cursor, "parked_at_ms < %s ORDER BY parked_at_ms LIMIT %s", (parked_at_ms, limit))


def take_of_day(cursor: Cursor, day: date, limit: int) -> list[Parked]:
    """Those whose event goes when this day goes."""
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
