"""Outcomes into `deliveries`: the fold of `fold.py`, said in SQL."""

from collections.abc import Mapping, Sequence

from psycopg import sql

from hookstream.store.copy import Target
from hookstream.store.fold import DeliveryRow
from hookstream.store.logged import day_of
from hookstream.store.pool import Cursor

TARGET = Target(
    "deliveries",
    {
        "id": "text",
        "day": "date",
        "logged_at_ms": "int8",
        "workspace": "text",
        "webhook": "text",
        "event": "text",
        "event_type": "text",
        "subject": "text",
        "kind": "text",
        "attempts": "int4",
        "state": "text",
        "reason": "text",
        "turn": "int4",
        "webhook_version": "int4",
        "status": "int4",
        "error": "text",
        "ended_at_ms": "int8",
        "next_due_at_ms": "int8",
        "closing": "bool",
        "log_at_ms": "int8",
        "log_partition": "int4",
        "log_offset": "int8",
        "closing_reason": "text",
        "waits_until_ms": "int8",
        "closed_as": "int2",
        "stated_reason": "text",
        "extracted": "bytea",
        "extracted_note": "text",
    },
)
_KEY = ("id", "day")
_FOLDED = {
    "attempts": "greatest(old.attempts, new.attempts)",
    "logged_at_ms": "least(old.logged_at_ms, new.logged_at_ms)",
    "closed_as": "old.closed_as | new.closed_as",
}
_ORDER = (
    "(NOT {0}.closing, CASE WHEN {0}.closing THEN 0 ELSE -coalesce({0}.turn, 1073741824) END,"
    " {0}.log_at_ms, {0}.log_partition, {0}.log_offset)"
)
"""`fold.order`: of two rows the smaller one decides."""
_DECIDES = f"{_ORDER.format('new')} < {_ORDER.format('old')}"
_HEARD = (
    "({0}.attempts, coalesce({0}.stated_reason, ''), coalesce({0}.extracted, ''),"
    " coalesce({0}.extracted_note, ''))"
)
"""`fold.heard`: the greater one has the last answer."""
_HEARD_LATER = f"{_HEARD.format('new')} > {_HEARD.format('old')}"
_OF_ANSWERS = {"stated_reason", "extracted", "extracted_note"}


def _merged(column: str) -> str:
    if column in _FOLDED:
        return f"{column} = {_FOLDED[column]}"
    wins = _HEARD_LATER if column in _OF_ANSWERS else _DECIDES
    return f"{column} = CASE WHEN {wins} THEN new.{column} ELSE old.{column} END"


def _merge() -> str:
    columns = ", ".join(TARGET.columns)
    sets = ", ".join(_merged(c) for c in TARGET.columns if c not in _KEY)
    # `excluded` is the only name ON CONFLICT has for the new row.
    return (
        f"INSERT INTO deliveries AS old ({columns})"  # noqa: S608 - names are ours
        f" SELECT {columns} FROM stage_deliveries ORDER BY id"
        f" ON CONFLICT (id, day) DO UPDATE SET {sets}"
        f" WHERE {_DECIDES} OR {_HEARD_LATER}"
        " OR new.logged_at_ms < old.logged_at_ms"
        " OR old.closed_as | new.closed_as <> old.closed_as"
    ).replace("new.", "excluded.")


MERGE = sql.SQL(_merge())


def write(cursor: Cursor, rows: Sequence[DeliveryRow], *, new: bool) -> None:
    """Merge folded rows into the table.

    `new`: those that saw a first turn are taken to be new, which saves a third of the cost; raises
    `UniqueViolation` where one is not.
    """
    fresh = [row for row in rows if row.turn is not None and row.turn <= 1] if new else []
    known = [row for row in rows if row.turn is None or row.turn > 1] if new else rows
    if fresh:
        TARGET.copy(cursor, fresh)
    if known:
        TARGET.copy_to_stage(cursor, known)
        cursor.execute(MERGE)


def failed_among(cursor: Cursor, logged_at_ms: Mapping[str, int]) -> set[str]:
    """Which of these deliveries, by id with their `logged_at_ms`, stand as failed now."""
    found = cursor.execute(
        "SELECT id FROM deliveries WHERE id = ANY(%s) AND day = ANY(%s) AND state = 'failed'",
        (list(logged_at_ms), sorted({day_of(at_ms) for at_ms in logged_at_ms.values()})),
    )
    return {id_ for (id_,) in found}


def released_before(
    cursor: Cursor, workspace: str, webhook: str, events: Sequence[str]
) -> list[str]:
    """Deliveries of these events to a webhook that ended because another was released for them."""
    found = cursor.execute(
        "SELECT id FROM deliveries WHERE workspace = %s AND event = ANY(%s) AND webhook = %s"
        " AND state = 'cancelled' AND reason = 'released'",
        (workspace, list(events), webhook),
    )
    return [delivery for (delivery,) in found]


def is_behind(cursor: Cursor, webhook: str) -> bool:
    """Whether the receiver takes less than it is sent: a delivery was put off."""
    found = cursor.execute(
        "SELECT FROM deliveries WHERE webhook = %s AND state = 'deferred' LIMIT 1", (webhook,)
    )
    return found.fetchone() is not None
