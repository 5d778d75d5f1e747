"""How far the views have read each topic, kept in the transactions that fill them (once.md 18)."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hookstream.store.pool import Connection, Cursor

Partition = tuple[str, int]
"""A topic, without prefix, and a partition of it."""


class Fenced(Exception):
    """Another process has moved these offsets: read them again and go on from there."""


class Position(NamedTuple):
    """Where to read on; below `fill_until` the tables are filled and nothing is acted upon."""

    next_offset: int
    fill_until: int = 0


class Move(NamedTuple):
    """From where to where a batch takes one partition."""

    topic: str
    partition: int
    expected: int
    next_offset: int


def begin(connection: Connection, starts: Mapping[Partition, int]) -> dict[Partition, Position]:
    """The positions of these partitions; one that has none gets the given start."""
    keys = sorted(starts)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO consumer_offsets (topic, partition, next_offset) VALUES (%s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [(*key, starts[key]) for key in keys],
        )
        return read(cursor, keys)


def read(cursor: Cursor, partitions: Iterable[Partition]) -> dict[Partition, Position]:
    """The positions as they are; a partition without one is left out."""
    keys = sorted(partitions)
    found = cursor.execute(
        "SELECT topic, partition, next_offset, fill_until FROM consumer_offsets"
        " JOIN unnest(%s::text[], %s::int[]) AS wanted (topic, partition)"
        " USING (topic, partition)",
        ([t for t, _ in keys], [p for _, p in keys]),
    )
    return {(topic, part): Position(*position) for topic, part, *position in found}


def advance(cursor: Cursor, moves: Iterable[Move]) -> None:
    """Move on, if all partitions still stand where the batch began. Raises `Fenced`."""
    wanted = sorted(moves)
    topics, partitions, expected, next_offsets = (list(c) for c in zip(*wanted, strict=True))
    cursor.execute(
        "UPDATE consumer_offsets AS o SET next_offset = m.next_offset"
        " FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[])"
        " AS m (topic, partition, expected, next_offset)"
        " WHERE o.topic = m.topic AND o.partition = m.partition AND o.next_offset = m.expected",
        (topics, partitions, expected, next_offsets),
    )
    if cursor.rowcount != len(wanted):
        raise Fenced(f"{len(wanted) - cursor.rowcount} of {len(wanted)} partitions moved on")


def unfilled(cursor: Cursor) -> int:
    """How many records are to be filled in, after a restore, before anything is acted upon."""
    row = cursor.execute(
        "SELECT coalesce(sum(fill_until - next_offset), 0) FROM consumer_offsets"
        " WHERE fill_until > next_offset"
    ).fetchone()
    return int(row[0]) if row else 0


def rewind(cursor: Cursor, ends: Mapping[Partition, tuple[int, int]]) -> None:
    """After a loss: partition -> (where its log begins, up to where it was read once). What is
    missing here is filled in up to there; a partition that has been read that far stays."""
    cursor.executemany(
        "INSERT INTO consumer_offsets AS o (topic, partition, next_offset, fill_until)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (topic, partition) DO UPDATE SET"
        " next_offset = greatest(o.next_offset, excluded.next_offset),"
        " fill_until = greatest(o.fill_until, excluded.fill_until)",
        [(*key, *span) for key, span in sorted(ends.items())],
    )


def fill_until(cursor: Cursor, ends: Mapping[Partition, int]) -> None:
    """Below these offsets only fill the tables: what follows from them has happened before."""
    cursor.executemany(
        "INSERT INTO consumer_offsets (topic, partition, next_offset, fill_until)"
        " VALUES (%s, %s, 0, %s)"
        " ON CONFLICT (topic, partition) DO UPDATE SET fill_until = excluded.fill_until",
        [(*key, end) for key, end in sorted(ends.items())],
    )
