"""Deliveries that wait for a callback, and have waited for as long as their policy lets them."""

from msgspec import Struct
from psycopg.rows import class_row

from hookstream.model.records import Kind
from hookstream.store.pool import Cursor

_COLUMNS = "id, workspace, webhook, webhook_version, event, event_type, subject, kind, logged_at_ms"
# Rows that a batch is writing just now are left for the next time: nobody waits for anybody.
_TAKE = f"""
WITH chosen AS (
    SELECT id, day FROM deliveries
    WHERE state = 'waiting' AND waits_until_ms IS NOT NULL AND waits_until_ms <= %s
    ORDER BY waits_until_ms LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE deliveries AS d SET waits_until_ms = NULL FROM chosen
WHERE d.id = chosen.id AND d.day = chosen.day
RETURNING {", ".join(f"d.{column}" for column in _COLUMNS.split(", "))}
"""  # noqa: S608 - names are ours


class Overdue(Struct, frozen=True, kw_only=True):
    """One delivery that nobody called back for in time."""

    id: str
    workspace: str
    webhook: str
    webhook_version: int
    event: str
    event_type: str
    subject: str | None
    kind: Kind
    logged_at_ms: int


def take_overdue(cursor: Cursor, now_ms: int, limit: int) -> list[Overdue]:
    """Take up to `limit` whose time is over by `now_ms`; each is taken once."""
    with cursor.connection.cursor(row_factory=class_row(Overdue)) as rows:
        return rows.execute(_TAKE.encode(), (now_ms, limit)).fetchall()
