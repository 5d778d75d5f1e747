"""The shape of all loops into views: records gather, a thread writes them, then they are done.

Offsets are kept by Postgres, in the transaction of the batch (once.md 18). While the database is
away batches wait: reading pauses, polling goes on, nothing is lost.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from hookstream.process import tracing
from hookstream.store import offsets
from hookstream.store.change import CONTENDED
from hookstream.store.logged import Logged
from hookstream.store.offsets import Fenced, Move, Partition, Position
from hookstream.store.pool import UNAVAILABLE
from hookstream.store.session import Session
from hookstream.stream.loop import Handler
from hookstream.stream.record import Assignment, Record
from services.status.settings import StatusSettings

Write = Callable[[Sequence[Logged[Any]], Sequence[Move], Mapping[Partition, Position]], None]
"""Store a batch and its moves in one transaction; the positions say where acting begins."""
Told = Callable[[str | None], None]
"""Told why nothing can be written for now; None: it can again."""

logger = logging.getLogger(__name__)
_AGAIN_S = 0.5
_TRACEPARENT = 55


class Rewound(Exception):
    """Postgres lost commits or was reset: only a new start reads again what is missing."""


class Batches(Handler):
    """Gathers records for one thread (`run`) that writes them in batches."""

    def __init__(
        self, dsn: str, write: Write, settings: StatusSettings, told: Told = lambda _: None
    ) -> None:
        self._session = Session(dsn)
        self._assigning = Session(dsn)
        self._write = write
        self._settings = settings
        self._told = told
        self._pending: deque[Record] = deque()
        self._bytes = 0
        self._writing: Sequence[Record] = ()
        self._positions: dict[Partition, Position] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self.written = 0
        """Records that are in the log by this process."""
        self.took: Callable[[float], None] = lambda _: None
        """Told how many seconds each batch took."""

    def oldest_age_s(self) -> float:
        """How long ago Kafka got the oldest record that was read and is not written."""
        with self._changed:
            first = self._writing or self._pending
            oldest_ms = first[0].timestamp_ms if first else None
        return 0.0 if oldest_ms is None else max(0.0, time.time() - oldest_ms / 1000)

    # -- on the loop's thread -------------------------------------------------------------------

    def assigned(self, taken: Sequence[Assignment]) -> Mapping[Partition, int]:
        """Start where the tables end; if Postgres is away, where Kafka's commit is, and ask later.

        `state` of an assignment: the offset below which nothing is missing here.
        """
        starts = {(a.topic, a.partition): a.committed.offset for a in taken}
        with self._changed:
            for key in starts:
                self._positions.pop(key, None)
        try:
            found = offsets.begin(self._assigning.connection(), starts)
            starts = {key: position.next_offset for key, position in found.items()}
        except UNAVAILABLE as error:
            logger.warning("offsets not read yet: %s", error)
        for assignment in taken:
            assignment.state = starts[assignment.topic, assignment.partition]
        return starts

    def handle(self, records: Sequence[Record]) -> None:
        """Take the records in; the writing thread finishes them."""
        with self._changed:
            self._pending.extend(records)
            self._bytes += sum(len(record.raw) for record in records)
            self._changed.notify_all()

    def full(self) -> bool:
        """Two batches wait: more would only fill memory."""
        wide = len(self._pending) >= 2 * self._settings.batch_records
        return wide or self._bytes >= 2 * self._settings.batch_mib << 20

    def revoked(self, going: Sequence[Assignment], within_s: float) -> None:
        """Let what was read be written, if there is time; else its next owner reads it."""
        ends_at = time.monotonic() + within_s
        with self._changed:
            while self._open(going) and (left := ends_at - time.monotonic()) > 0:
                self._changed.wait(left)

    def _open(self, some: Sequence[Assignment]) -> bool:
        wanted = set(map(id, some))
        return any(id(r.assignment) in wanted for r in (*self._pending, *self._writing))

    # -- on the writing thread ------------------------------------------------------------------

    def run(self) -> None:
        """Write batches until `stop`. Raises what only a new process can mend."""
        while batch := self._next_batch():
            self._writing = batch
            self._until_written(batch)
            with self._changed:
                self._writing = ()
                self._changed.notify_all()
        self._session.close()
        self._assigning.close()

    def stop(self) -> None:
        """End `run` when nothing is left to write, or Postgres is away."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _next_batch(self) -> list[Record]:
        with self._changed:
            while not self._pending and not self._stopping:
                self._changed.wait(1)
            ends_at = time.monotonic() + self._settings.linger_ms / 1000
            while not self._is_whole() and (left := ends_at - time.monotonic()) > 0:
                self._changed.wait(left)
            batch: list[Record] = []
            while self._pending and len(batch) < self._settings.batch_records:
                batch.append(self._pending.popleft())
                self._bytes -= len(batch[-1].raw)
            return batch

    def _is_whole(self) -> bool:
        wide = len(self._pending) >= self._settings.batch_records
        return wide or self._stopping or self._bytes >= self._settings.batch_mib << 20

    def _until_written(self, batch: Sequence[Record]) -> None:
        while batch := [record for record in batch if record.assignment.alive]:
            try:
                self._write_once(batch)
            except Fenced as moved:
                logger.warning("offsets moved by another process: %s", moved)
                self._positions.clear()
            except CONTENDED as undone:
                logger.info("batch once more: %s", type(undone).__name__)
            except UNAVAILABLE as error:
                if self._stopping:
                    return
                self._wait_for_postgres(error)
            else:
                self._told(None)
                return

    def _wait_for_postgres(self, error: Exception) -> None:
        """A commit whose answer was lost may have passed: positions are asked for again."""
        logger.warning("Postgres is away, batches wait: %s", error)
        self._told(f"Postgres is away: {type(error).__name__}")
        self._positions.clear()
        time.sleep(_AGAIN_S)

    def _write_once(self, batch: Sequence[Record]) -> None:
        self._learn_positions(batch)
        ends = {_key(r.assignment): r.assignment for r in batch}
        new = [r for r in batch if r.offset >= self._positions[_key(r.assignment)].next_offset]
        if new:
            moves, began = self._moves(new), time.monotonic()
            with _traced(new):
                self._write([_logged(record) for record in new], moves, self._positions)
            self.took(time.monotonic() - began)
            self.written += len(new)
            for move in moves:
                key = (move.topic, move.partition)
                self._positions[key] = self._positions[key]._replace(next_offset=move.next_offset)
                ends[key].state = move.next_offset
        for record in batch:
            record.done()

    def _learn_positions(self, batch: Sequence[Record]) -> None:
        unknown = {_key(r.assignment): r.assignment for r in batch}
        starts = {k: a.state for k, a in unknown.items() if k not in self._positions}
        if not starts:
            return
        found = offsets.begin(self._session.connection(), starts)
        for key, position in found.items():
            if position.next_offset < starts[key]:
                raise Rewound(f"{key}: Postgres is at {position.next_offset}, not {starts[key]}")
        self._positions |= found

    def _moves(self, new: Sequence[Record]) -> list[Move]:
        ends = {_key(record.assignment): record.offset + 1 for record in new}
        return [Move(*key, self._positions[key].next_offset, end) for key, end in ends.items()]


def _key(assignment: Assignment) -> Partition:
    return assignment.topic, assignment.partition


@contextmanager
def _traced(records: Sequence[Record]) -> Iterator[None]:
    """A span for each record that is sampled, as long as its batch is being written."""
    with ExitStack() as spans:
        for record in records:
            trace = record.headers.get("traceparent")
            if tracing.sampled(trace):
                topic = record.assignment.topic
                attributes = tracing.messaging("process", "process", topic)
                name = f"process {topic}"
                spans.enter_context(
                    tracing.span(name, tracing.CONSUMER, trace, attributes=attributes)
                )
        yield


def _logged(record: Record) -> Logged[Any]:
    return Logged(
        record.value,
        record.assignment.partition,
        record.offset,
        record.timestamp_ms,
        _trace_id(record.headers.get("traceparent")),
    )


def _trace_id(traceparent: bytes | None) -> str | None:
    """The trace that a sampled record belongs to (W3C: version-trace-span-flags)."""
    if traceparent is None or len(traceparent) != _TRACEPARENT or traceparent[-1] & 1 == 0:
        return None
    found = traceparent[3:35].decode("ascii", "replace")
    return found if found.isalnum() else None
