"""What Postgres has decided, onto the topics: one holder, row by row, each until it is there.

A row goes after the ack (once.md 16). A late record of a holder that stood still cannot stay: a
delete that hits nothing, and a comparison by version every minute, publish what is valid again.
While the topic knows more than Postgres nothing is published (once.md 17).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

from msgspec import Struct

from hookstream.model.ids import payload_hash
from hookstream.model.records import Delivery, Outcome
from hookstream.store import outbox
from hookstream.store.current import current, ends, versions
from hookstream.store.outbox import Holder
from hookstream.store.pool import UNAVAILABLE
from hookstream.stream.dead import DeadLetters, Place
from hookstream.stream.deliveries import delivery_headers
from hookstream.stream.partitioning import Partitioning
from hookstream.stream.table import ConfigUnreachable, Table
from hookstream.stream.tail import closing_headers
from hookstream.stream.topics import CONFIG, partition_of
from hookstream.stream.writer import Ack, Full, Headers, Refused, Writer
from services.status.restored import RESTORE, ahead, versions_of

NAME = "outbox"
_PAGE = 500
_PAGE_BYTES = 8 * 1024 * 1024
_NOT_ITS_FAULT = frozenset({Refused.PURGED, Refused.TIMED_OUT})
_PING_S = 1.0
_AGAIN_S = 0.5
Told = Callable[[str | None], None]
logger = logging.getLogger(__name__)


class Unpublished(Exception):
    """Rows that the broker did not take, for no fault of theirs: they stay, for a new process."""


class _Record(NamedTuple):
    topic: str
    key: str
    record: Struct | None
    traceparent: str | None = None
    row: int | None = None
    """Its number in the outbox; None: it is a current one, published again."""


class OutboxToTopics:
    """Publishes outbox rows while it holds the outbox. `told`: why it cannot, None: it can."""

    def __init__(
        self,
        dsn: str,
        table: Table,
        writer: Writer,
        partitioning: Partitioning,
        dead: DeadLetters,
        told: Told = lambda _: None,
        compare_every_s: float = 60.0,
    ) -> None:
        self._dsn = dsn
        self._compare_every_s = compare_every_s
        self._table = table
        self._writer = writer
        self._partitioning = partitioning
        self._dead = dead
        self._told = told
        self._behind = False
        self._compare_at = 0.0
        self._stopping = threading.Event()

    def run(self, stopping: threading.Event) -> None:
        """Until `stopping`: become the holder and publish; again after each loss of the session."""
        self._stopping = stopping
        while not stopping.is_set():
            try:
                with closing(Holder(self._dsn)) as holder:
                    self._hold(holder, stopping)
            except (*UNAVAILABLE, ConfigUnreachable) as error:
                logger.warning("the outbox waits: %s", error)
                stopping.wait(_AGAIN_S)
            except Unpublished as error:
                if not stopping.is_set():
                    raise
                logger.warning("the rows stay: %s", error)

    def _hold(self, holder: Holder, stopping: threading.Event) -> None:
        while not holder.acquire():
            if stopping.wait(_PING_S):
                return
        self._compare_at = 0.0
        while not stopping.is_set():
            if time.monotonic() >= self._compare_at:
                self._compare(holder)
            if self._behind or not self.publish(holder):
                holder.wait(_PING_S)

    def publish(self, holder: Holder) -> bool:
        """Publish the oldest rows and delete them; whether it was a whole page. Configuration is
        there first: a delivery that came before its webhook would be taken for one of a deleted
        webhook. While partitions grow deliveries wait, and nothing waits for them."""
        but: outbox.Topic | None = "deliveries" if self._partitioning.draining else None
        rows = outbox.oldest(holder.connection, _PAGE, but, _PAGE_BYTES)
        if not rows:
            return False
        records = [_Record(r.topic, r.key, r.decoded(), r.traceparent, r.id) for r in rows]
        self._send(holder, [record for record in records if record.topic == CONFIG])
        self._send(holder, [record for record in records if record.topic != CONFIG])
        deleted = outbox.delete(holder.connection, [row.id for row in rows])
        self._again(holder, {r.key for r in rows if r.topic == CONFIG and r.id not in deleted})
        return len(rows) == _PAGE or sum(len(row.record) for row in rows) >= _PAGE_BYTES

    def _compare(self, holder: Holder) -> None:
        """Postgres first, then the topic: only the holder writes, so what is older there is lost,
        or still in the outbox."""
        with holder.connection.transaction(), holder.connection.cursor() as cursor:
            valid = dict(versions(cursor))
            waiting = outbox.configuring(cursor)
        self._table.catch_up()
        there = versions_of(self._table.config)
        higher = ahead(there, valid)
        self._behind = bool(higher)
        self._told(RESTORE if higher else None)
        if higher:
            logger.error("%s (%d keys, first %s)", RESTORE, len(higher), higher[0])
        else:
            lost = (k for k, v in valid.items() if there.get(k, 0) < v and k not in waiting)
            self._again(holder, set(lost))
        self._compare_at = time.monotonic() + self._compare_every_s

    def _again(self, holder: Holder, keys: Iterable[str]) -> None:
        wanted = sorted(keys)
        if not wanted:
            return
        with holder.connection.cursor() as cursor:
            found = [(key, current(cursor, key)) for key in wanted]
        there = [_Record(CONFIG, key, r) for key, r in found if r is not None or ends(key)]
        self._send(holder, there)

    def _send(self, holder: Holder, records: Sequence[_Record]) -> None:
        """Return once the broker has all of them, in the order given. The session stays alive.
        What is refused for its own sake is a dead letter by then; else raises `Unpublished`."""
        left, given_up, done = len(records), 0, threading.Event()

        def over() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                done.set()

        def acked(record: _Record, ack: Ack) -> None:
            nonlocal given_up
            if ack.refused is not None and ack.refused not in _NOT_ITS_FAULT:
                self._refused(record, ack.refused, over)
                return
            given_up += ack.refused is not None
            over()

        for record in records:
            self._produce(record, partial(acked, record))
        while left and not done.wait(_PING_S):
            if self._stopping.is_set():
                raise Unpublished(f"stopped before Kafka had {left} rows of the outbox")
            holder.keep()
        if given_up:
            raise Unpublished(f"{given_up} of {len(records)} rows of the outbox were given up")

    def _refused(self, record: _Record, why: Refused, then: Callable[[], None]) -> None:
        if record.row is None or record.record is None:
            logger.error("Kafka refused %s of config: %s", record.key, why.value)
            then()
            return
        place = Place(NAME, 0, record.row, record.key.encode())
        detail = f"too large for {record.topic}"
        self._dead.put_row(place, record.record, why.value, detail, then)

    def _produce(self, waiting: _Record, acked: Callable[[Ack], None]) -> None:
        topic, key, record, traceparent, _ = waiting
        value = None if record is None else self._table.codec.encode(record)
        raw_key = key.encode()
        partition = partition_of(raw_key, self._partitioning.of(topic))
        headers = headers_of(record)
        if traceparent:
            headers.append(("traceparent", traceparent.encode()))
        while True:
            try:
                self._writer.produce(
                    topic, value, acked, key=raw_key, partition=partition, headers=headers
                )
                return
            except Full:
                if self._stopping.wait(0.01):
                    raise Unpublished("stopped while the producer's queue was full") from None


def headers_of(record: Struct | None) -> Headers:
    """What readers of deliveries and of the tail of outcomes want to know without decoding."""
    if isinstance(record, Delivery):
        return delivery_headers(record, payload_hash(record.event), None)
    if isinstance(record, Outcome):
        return closing_headers(record)
    return []
