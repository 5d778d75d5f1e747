"""What Postgres has decided and Kafka must be told: rows that wait for their publication.

A row is written in the transaction of what it tells, read in order by the one holder, and deleted
once Kafka has acknowledged it. Nothing is ever read as "later than the last": sequences do not
commit in order.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Literal

import msgspec
import psycopg
from msgspec import Struct
from psycopg.rows import class_row

from hookstream.model import records
from hookstream.store.pool import Connection, Cursor, Pool

Topic = Literal["config", "deliveries", "outcomes", "events"]

LOCK = 0x686F6F6B00000002
"""Advisory lock of the outbox's holder: 'hook', 2."""

_CLASSES: dict[str, type[Struct]] = {
    cls.__name__: cls
    for cls in (
        records.Webhook,
        records.EventType,
        records.ApiKey,
        records.Workspace,
        records.Cancellation,
        records.Delivery,
        records.Outcome,
        records.Event,
        records.SchemaNote,
        records.GroupNote,
        records.TopicsNote,
    )
}


_TOMBSTONE = ""
_MOST_BYTES = 64 * 1024 * 1024
_OLDEST = """
SELECT id, topic, key, record_type, record, traceparent, created_at FROM (
    SELECT *, sum(octet_length(record)) OVER (ORDER BY id) - octet_length(record) AS before
    FROM (
        SELECT * FROM outbox WHERE %s::text IS NULL OR topic <> %s ORDER BY id LIMIT %s
    ) AS page
) AS measured
WHERE before < %s ORDER BY id
"""


class Row(Struct, frozen=True, kw_only=True):
    """One record that waits for its publication."""

    id: int
    topic: Topic
    key: str
    record_type: str
    record: bytes
    traceparent: str | None
    created_at: datetime

    def decoded(self) -> Struct | None:
        """The record as the value it was (its class is in model/records.py); None: a tombstone."""
        if self.record_type == _TOMBSTONE:
            return None
        return msgspec.msgpack.decode(self.record, type=_CLASSES[self.record_type])


def put(
    cursor: Cursor, topic: Topic, key: str, record: Struct, traceparent: str | None = None
) -> int:
    """Tell Kafka `record` once this transaction commits; the row's id, to wait for."""
    row = cursor.execute(
        "INSERT INTO outbox (topic, key, record_type, record, traceparent)"
        " VALUES (%s, %s, %s, %s, %s) RETURNING id",
        (topic, key, type(record).__name__, msgspec.msgpack.encode(record), traceparent),
    ).fetchone()
    assert row is not None  # noqa: S101 - RETURNING of one INSERT
    return int(row[0])


def put_many(cursor: Cursor, topic: Topic, keyed: Iterable[tuple[str, Struct | None]]) -> None:
    """The same for many records that nobody waits for; None is a tombstone."""
    cursor.executemany(
        "INSERT INTO outbox (topic, key, record_type, record) VALUES (%s, %s, %s, %s)",
        [(topic, key, *_written(record)) for key, record in keyed],
    )


def _written(record: Struct | None) -> tuple[str, bytes]:
    if record is None:
        return _TOMBSTONE, b""
    return type(record).__name__, msgspec.msgpack.encode(record)


def oldest(
    connection: Connection, limit: int, but: Topic | None = None, most_bytes: int = _MOST_BYTES
) -> list[Row]:
    """Up to `limit` rows in the order of their ids, but those for one topic, and none that comes
    after `most_bytes` of records; they stay until deleted."""
    with connection.cursor(row_factory=class_row(Row)) as cursor:
        cursor.execute(_OLDEST, (but, but, limit, most_bytes))
        return cursor.fetchall()


def configuring(cursor: Cursor) -> set[str]:
    """The config keys that wait for their publication."""
    found = cursor.execute("SELECT DISTINCT key FROM outbox WHERE topic = 'config'")
    return {key for (key,) in found.fetchall()}


def delete(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Forget rows that Kafka has acknowledged; wakes who waits for them. Those really deleted:
    an id that is missing was deleted by another holder (publish the current record again)."""
    found = connection.execute("DELETE FROM outbox WHERE id = ANY(%s) RETURNING id", (list(ids),))
    return {int(row[0]) for row in found}


def oldest_age_s(connection: Connection) -> float:
    """Seconds the oldest row has waited; 0 where none waits."""
    row = connection.execute(
        "SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0) FROM outbox"
    ).fetchone()
    return float(row[0]) if row else 0.0


class Holder:
    """A session of its own that may hold the outbox. Stopped for 5 s, the server ends it, and
    with it the lock: call `wait` or `held` at least every second."""

    def __init__(self, dsn: str) -> None:
        self.connection: Connection = psycopg.connect(dsn, autocommit=True)
        """In autocommit; reads and deletes belong on it, so that they fail with the lock."""
        self.connection.execute("SET idle_session_timeout = '5s'")
        self.connection.execute("LISTEN outbox")

    def acquire(self) -> bool:
        """Try to become the holder; False while another is."""
        row = self.connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
        return bool(row and row[0])

    def wait(self, within_s: float = 1.0) -> bool:
        """Until a row is put, at most `within_s`; whether one was. Keeps the session alive.
        Raises `psycopg.OperationalError` when the session, and so the lock, is lost."""
        woken = any(True for _ in self.connection.notifies(timeout=within_s, stop_after=1))
        self.keep()
        return woken

    def keep(self) -> None:
        """Keep the session alive. Raises `psycopg.OperationalError` when it is lost."""
        self.connection.execute("SELECT 1")

    def close(self) -> None:
        """Give the outbox to whoever asks next."""
        self.connection.close()


def waits(pool: Pool, ids: Sequence[int]) -> bool:
    """Whether any of these rows is still to be published."""
    with pool.connection() as connection:
        query = "SELECT 1 FROM outbox WHERE id = ANY(%s) LIMIT 1"
        return connection.execute(query, (list(ids),)).fetchone() is not None


def on_their_way(pool: Pool, keys: Collection[str]) -> set[str]:
    """Those of these config keys whose latest record is still to be published."""
    with pool.connection() as connection:
        query = "SELECT DISTINCT key FROM outbox WHERE topic = 'config' AND key = ANY(%s)"
        return {key for (key,) in connection.execute(query, (list(keys),)).fetchall()}
