"""Events into `events`: the first record of an id stays and counts its repeats (once.md 21)."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from hookstream.model.records import Event
from hookstream.store.copy import Target
from hookstream.store.logged import Logged, day_of, text, text_or_none
from hookstream.store.pool import Cursor

TARGET = Target(
    "events",
    {
        "workspace": "text",
        "id": "text",
        "day": "date",
        "logged_at_ms": "int8",
        "created_at_ms": "int8",
        "type": "text",
        "source": "text",
        "subject": "text",
        "webhook": "text",
        "data": "bytea",
        "trace_id": "text",
        "log_partition": "int4",
        "log_offset": "int8",
        "repeats": "int4",
        "conflict": "bool",
    },
)
_KNOWN = """
SELECT e.workspace, e.id, e.day
FROM unnest(%s::text[], %s::text[]) AS came (workspace, id)
JOIN events AS e ON e.workspace = came.workspace AND e.id = came.id
WHERE e.day BETWEEN %s AND %s
ORDER BY e.day DESC
"""
_REPEATED = """
UPDATE events SET repeats = repeats + %s,
    conflict = conflict OR %s OR type <> %s OR data <> %s
WHERE workspace = %s AND id = %s AND day = %s
"""
Key = tuple[str, str]


class EventRow(NamedTuple):
    """A row of `events`, in the order of its columns."""

    workspace: str
    id: str
    day: date
    logged_at_ms: int
    created_at_ms: int
    type: str
    source: str | None
    subject: str | None
    webhook: str | None
    data: bytes
    trace_id: str | None
    log_partition: int
    log_offset: int
    repeats: int
    conflict: bool


def row_of(logged: Logged[Event]) -> EventRow:
    """The event as one record alone shows it."""
    event, partition, offset, at_ms, trace_id = logged
    return EventRow(
        text(event.workspace),
        text(event.id),
        day_of(at_ms),
        at_ms,
        event.created_at_ms,
        text(event.type),
        text_or_none(event.source),
        text_or_none(event.subject),
        text_or_none(event.webhook),
        event.data,
        trace_id,
        partition,
        offset,
        0,
        False,
    )


def merge(one: EventRow, other: EventRow) -> EventRow:
    """What two rows of one event say together: the first in the log stays."""
    first, second = sorted((one, other), key=lambda r: (r.logged_at_ms, *r[11:13]))
    differs = first.type != second.type or first.data != second.data
    return first._replace(
        repeats=first.repeats + second.repeats + 1,
        conflict=first.conflict or second.conflict or differs,
    )


def fold(events: Iterable[Logged[Event]]) -> list[EventRow]:
    """One row an event, sorted by key."""
    rows: dict[Key, EventRow] = {}
    for logged in events:
        row = row_of(logged)
        there = rows.get(row[:2])
        rows[row[:2]] = row if there is None else merge(there, row)
    return sorted(rows.values(), key=lambda row: row[:2])


def write(cursor: Cursor, rows: Sequence[EventRow]) -> None:
    """Add events; those known from their day or the day before are repeats."""
    known = _known(cursor, rows)
    new = [row for row in rows if row[:2] not in known]
    if new:
        TARGET.copy(cursor, new)
    if known:
        repeats = [row for row in rows if row[:2] in known]
        cursor.executemany(_REPEATED, [_repeated(row, known[row[:2]]) for row in repeats])


def _known(cursor: Cursor, rows: Sequence[EventRow]) -> dict[Key, date]:
    days = [row.day for row in rows]
    workspaces, ids = [row.workspace for row in rows], [row.id for row in rows]
    since = min(days) - timedelta(1)
    found = cursor.execute(_KNOWN, (workspaces, ids, since, max(days))).fetchall()
    return {(workspace, id_): day for workspace, id_, day in found}


def _repeated(row: EventRow, there: date) -> tuple[object, ...]:
    return (row.repeats + 1, row.conflict, row.type, row.data, *row[:2], there)
