"""One write: the rows, their audit lines and their outbox rows, in one transaction."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec
import psycopg
from msgspec import Struct

from hookstream.model import records
from hookstream.model.config import key_of
from hookstream.store import outbox
from hookstream.store.pool import Cursor, Pool

Configured = (
    records.Webhook | records.EventType | records.ApiKey | records.Workspace | records.Cancellation
)


CONTENDED = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
"""Two transactions stood in each other's way and this one was undone: do it again."""


class NameTaken(Exception):
    """Another row of the workspace has this name (in whatever case)."""


class Stale(Exception):
    """The row has another version than the one the writer had read."""


class Change:
    """What one transaction changes, and who does it. Collects the outbox rows it puts."""

    def __init__(self, cursor: Cursor, actor: str, traceparent: str | None = None) -> None:
        self.cursor = cursor
        self.actor = actor
        self.traceparent = traceparent
        self.outbox: list[int] = []

    def tell(self, topic: outbox.Topic, key: str, record: Struct) -> None:
        """Publish `record` once this commits."""
        self.outbox.append(outbox.put(self.cursor, topic, key, record, self.traceparent))

    def tell_many(self, topic: outbox.Topic, keyed: Iterable[tuple[str, Struct | None]]) -> None:
        """The same for many records that nobody waits for; None is a tombstone."""
        outbox.put_many(self.cursor, topic, keyed)

    def configure(self, record: Configured) -> bytes:
        """Publish a configuration record; its bytes, to be kept beside the row."""
        self.tell("config", key_of(record), record)
        return msgspec.msgpack.encode(record)

    def audit(
        self,
        action: str,
        kind: str,
        subject: str,
        *,
        workspace: str,
        version: int,
        changed: Iterable[str] = (),
    ) -> None:
        """Note who did what: the names of the fields that changed, never their values."""
        self.cursor.execute(
            "INSERT INTO audit (workspace, actor, action, kind, subject, version, changed)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (workspace, self.actor, action, kind, subject, version, sorted(changed)),
        )


@contextmanager
def change(pool: Pool, actor: str, traceparent: str | None = None) -> Iterator[Change]:
    """A transaction: committed when the block ends, undone when it raises."""
    with pool.connection() as connection, connection.cursor() as cursor:
        yield Change(cursor, actor, traceparent)
