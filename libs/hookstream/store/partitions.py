"""The day partitions of events, deliveries and attempts: made ahead, dropped when they are old."""

from collections.abc import Iterable
from datetime import date, timedelta

from psycopg import sql

from hookstream.store.pool import Connection, Cursor

CUT = ("attempts", "deliveries", "events")
"""In the order in which batches write to them: who locks several keeps to it."""
_LOCK = 0x686F6F6B00000003
"""Advisory lock of whoever makes or drops partitions: 'hook', 3."""


def ensure(connection: Connection, days: Iterable[date]) -> None:
    """Make the partitions of these days where they are missing."""
    with connection.transaction(), connection.cursor() as cursor:
        _alone(cursor)
        there = existing(cursor)
        for day in sorted(set(days) - there):
            for table in CUT:
                _add(cursor, table, day)


def existing(cursor: Cursor) -> set[date]:
    """The days that have partitions."""
    found = cursor.execute(
        "SELECT right(relid::text, 8) FROM pg_partition_tree('events') WHERE isleaf AND level = 1"
    )
    return {date(int(t[:4]), int(t[4:6]), int(t[6:])) for (t,) in found}


def drop(cursor: Cursor, day: date) -> None:
    """Drop one day with all its rows, in this transaction, waiting two seconds for readers."""
    cursor.execute("SET LOCAL lock_timeout = '2s'")
    _alone(cursor)
    for table in CUT:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_name(table, day)))


def _alone(cursor: Cursor) -> None:
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))


def _name(table: str, day: date) -> sql.Identifier:
    return sql.Identifier(f"{table}_{day:%Y%m%d}")


def _add(cursor: Cursor, table: str, day: date) -> None:
    """Attached, not created in place: that would lock the whole table against its writers, and two
    tables locked in another order than a batch writes them are a deadlock."""
    name, parent = _name(table, day), sql.Identifier(table)
    bounds = day.isoformat(), (day + timedelta(1)).isoformat()
    cursor.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(name, parent))
    cursor.execute(
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            parent, name, *bounds
        )
    )
