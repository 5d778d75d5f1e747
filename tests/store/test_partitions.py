"""The days of the views are cut while batches are written."""

from datetime import date, timedelta

import psycopg

from hookstream.store import partitions

DAY = date(2026, 1, 1)
SHAPES = """
SELECT indexrelid::regclass::text, indisprimary FROM pg_index
WHERE indrelid IN (SELECT relid FROM pg_partition_tree(%s) WHERE isleaf)
  AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = indexrelid)
"""
"""Indexes of partitions that belong to none of the table."""


def test_a_new_day_waits_for_no_writer_and_no_writer_for_it(database: str) -> None:
    """A batch writes attempts, then deliveries; who locked them the other way would deadlock."""
    with (
        psycopg.connect(database) as writer,
        psycopg.connect(database, autocommit=True) as maker,
    ):
        writer.execute("LOCK TABLE attempts IN ROW EXCLUSIVE MODE")
        maker.execute("SET lock_timeout = '5s'")
        with maker.transaction():
            partitions.ensure(maker, [DAY, DAY + timedelta(1)])
            writer.execute("SET lock_timeout = '5s'")
            writer.execute("LOCK TABLE deliveries, events IN ROW EXCLUSIVE MODE")
        writer.commit()


def test_a_day_is_shaped_as_its_table(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        partitions.ensure(connection, [DAY])
        for table in partitions.CUT:
            assert connection.execute(SHAPES, (table,)).fetchall() == []
            columns = (
                "SELECT attname, atttypid, attnotnull, attstorage, attcompression, attcollation"
                " FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY 1"
            )
            whole = connection.execute(columns, (table,)).fetchall()
            assert connection.execute(columns, (f"{table}_20260101",)).fetchall() == whole


def test_a_day_is_made_once_and_goes_whole(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for _ in range(2):
            partitions.ensure(connection, [DAY])
        with connection.transaction(), connection.cursor() as cursor:
            assert partitions.existing(cursor) == {DAY}
            partitions.drop(cursor, DAY)
            assert partitions.existing(cursor) == set()
