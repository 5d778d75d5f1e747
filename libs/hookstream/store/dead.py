"""Dead letters into `dead`."""

from collections.abc import Iterable

from hookstream.model.records import Dead
from hookstream.store.logged import Logged, text, text_or_none
from hookstream.store.pool import Cursor

_INSERT = """
INSERT INTO dead (topic, partition, "offset", reason, detail, at_ms,
                  workspace, event, event_type, key, raw, truncated)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


def write(cursor: Cursor, dead: Iterable[Logged[Dead]]) -> None:
    """Add dead letters; one that is told twice is one."""
    cursor.executemany(_INSERT, [_row_of(logged.record) for logged in dead])


def forget_before(cursor: Cursor, at_ms: int) -> int:
    """Drop those older than a time, a thousand at most; how many went."""
    cursor.execute(
        "DELETE FROM dead WHERE ctid = ANY(ARRAY("
        "SELECT ctid FROM dead WHERE at_ms < %s ORDER BY at_ms LIMIT 1000))",
        (at_ms,),
    )
    return cursor.rowcount


def _row_of(dead: Dead) -> tuple[object, ...]:
    return (
        text(dead.topic),
        dead.partition,
        dead.offset,
        text(dead.reason),
        dead.detail.replace("\0", "\ufffd"),
        dead.at_ms,
        text_or_none(dead.workspace),
        text_or_none(dead.event),
        text_or_none(dead.event_type),
        dead.key,
        dead.raw,
        dead.truncated,
    )
