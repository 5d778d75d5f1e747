"""The loop of retry: a delay line. The same bytes, later; it knows no schema or policy.

A record on `retry` goes to the longest tier that is left in time, or waits in memory if it is due
within three seconds. A record in a tier waits there until the moment it was given on its way in;
then it goes on, in the same way. Moments are compared with this process's clock alone.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence

from hookstream.stream.dead import DeadLetters
from hookstream.stream.deliveries import partition_of_lane
from hookstream.stream.loop import Handler
from hookstream.stream.partitioning import Partitioning
from hookstream.stream.record import Assignment, Record
from hookstream.stream.topics import DELIVERIES, RETRY, TIERS
from hookstream.stream.writer import Ack, Full, Headers, Refused, Writer
from services.retry.delay_line import DelayLine
from services.retry.held import Held, Tally
from services.retry.settings import RetrySettings
from services.retry.tiers import UNTIL, due_of, end_of_wait, next_hop, together

FEW = 200
"""Records of a tier's partition that wait in memory before it is left alone for a while."""
AHEAD_MS = 1_500
"""A partition is read on this long before what was read of it runs out: resuming takes time."""
_WAIT_S = 0.005


class Retry(Handler):
    """Moves records from tier to tier and, when due, to deliveries.

    Its memory is bounded here and not by the loop: what waits in tiers for hours has a bound of
    its own (`_far`), so that it never keeps what is due within seconds (`_soon`) from being read.
    """

    def __init__(
        self,
        writer: Writer,
        dead: DeadLetters,
        partitioning: Partitioning,
        settings: RetrySettings,
        clock_ms: Callable[[], float],
        late: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.line = DelayLine(self._release, clock_ms)
        self._writer = writer
        self._dead = dead
        self._partitioning = partitioning
        self._most_records = settings.held_records
        self._most_bytes = settings.held_mib * 1024 * 1024 // 2
        self._scale = settings.scale
        self._clock_ms = clock_ms
        self._late = late
        self._far, self._soon = Tally(), Tally()
        self._kept_back: deque[Held] = deque()
        """Due while partitions grow: until then nothing is written to deliveries."""
        self._tiers: set[Assignment] = set()

    @property
    def held(self) -> tuple[int, int]:
        """Records that wait in memory, and their bytes."""
        far, soon = self._far, self._soon
        return far.records + soon.records, far.bytes + soon.bytes

    def assigned(self, taken: Sequence[Assignment]) -> dict[tuple[str, int], int]:
        for assignment in taken:
            assignment.state = Tally()
        self._tiers.update(a for a in taken if a.topic in TIERS)
        return {}

    def revoked(self, going: Sequence[Assignment], within_s: float) -> None:
        """What Kafka has before the last commit need not be moved again."""
        self._forget(going)
        deadline = time.monotonic() + within_s
        while len(self._writer) and time.monotonic() < deadline:
            time.sleep(_WAIT_S)

    def lost(self, gone: Sequence[Assignment]) -> None:
        self._forget(gone)

    def turned(self) -> None:
        """Partitions have grown: what was kept back goes to where its lane belongs now."""
        while self._kept_back and not self._partitioning.draining:
            held = self._kept_back.popleft()
            self.line.put([(held.due_at_ms, held)])

    def full(self) -> bool:
        return self._soon.records >= self._most_records or self._soon.bytes >= self._most_bytes

    def wants(self, assignment: Assignment) -> bool:
        """Of a tier only what goes on soon is read, and a little more; all else stays on disk."""
        if assignment.topic == RETRY:
            return True
        waiting: Tally = assignment.state
        if waiting.last_at_ms - self._clock_ms() < AHEAD_MS:
            return waiting.records == 0 or self._far.bytes < self._most_bytes
        share = self._most_bytes // 2 // len(self._tiers)
        return waiting.records < FEW and waiting.bytes < share

    def handle(self, records: Sequence[Record]) -> None:
        waiting = []
        for record in records:
            due_at_ms = due_of(record.headers)
            if due_at_ms is None:
                self._dead.put(record, "not_a_delivery", "a record without lane or due time")
            elif (wait_ms := TIERS.get(record.assignment.topic)) is not None:
                at_ms = together(self._end_of_wait(record, wait_ms), self._scale)
                self._far.add(record)
                record.assignment.state.add(record, at_ms)
                waiting.append((at_ms, Held(record, due_at_ms, in_tier=True)))
            else:
                self._soon.add(record)
                at_ms = self._moves_on_at(due_at_ms)
                waiting.append((at_ms, Held(record, due_at_ms, in_tier=False)))
        self.line.put(waiting)

    def _release(self, held: Held) -> None:
        """The moment has come: the record is due, or its tier is over."""
        if held.in_tier:
            self._leave_tier(held)
        if held.due_at_ms > self._clock_ms():
            self._move(held)
        elif self._partitioning.draining:
            self._kept_back.append(held)
        else:
            self._deliver(held)
            self._late(max(self._clock_ms() - held.due_at_ms, 0.0) / 1000)

    def _move(self, held: Held) -> None:
        """On to the next tier, or into memory if it is due soon."""
        now_ms = self._clock_ms()
        tier = next_hop(held.due_at_ms, int(now_ms), self._scale)
        if tier is None:
            self.line.put([(held.due_at_ms, held)])
        else:
            until_ms = math.ceil(now_ms + TIERS[tier] * self._scale)
            self._produce(held.record, tier, held.record.key, -1, ((UNTIL, b"%d" % until_ms),))

    def _moves_on_at(self, due_at_ms: int) -> int:
        """Of a record on `retry`: when it goes to a tier, with others, or else is due."""
        now_ms = self._clock_ms()
        is_soon = next_hop(due_at_ms, int(now_ms), self._scale) is None
        return due_at_ms if is_soon else together(now_ms, self._scale)

    def _end_of_wait(self, record: Record, wait_ms: int) -> int:
        scaled_ms, now_ms = math.ceil(wait_ms * self._scale), math.ceil(self._clock_ms())
        return end_of_wait(record.headers, record.timestamp_ms, scaled_ms, now_ms)

    def _deliver(self, held: Held) -> None:
        lane = held.record.headers["lane"]
        partition = partition_of_lane(lane, self._partitioning.count)
        self._produce(held.record, DELIVERIES, lane, partition)

    def _leave_tier(self, held: Held) -> None:
        held.in_tier = False
        self._far.remove(held.record)
        held.record.assignment.state.remove(held.record)
        self._soon.add(held.record)

    def _produce(
        self,
        record: Record,
        topic: str,
        key: bytes | str | None,
        partition: int,
        more: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        headers: Headers = [*((n, v) for n, v in record.headers.items() if n != UNTIL), *more]

        def acked(ack: Ack) -> None:
            self._soon.remove(record)
            if ack.refused is None:
                record.done()
            elif ack.refused is Refused.TOO_LARGE:
                self._dead.put(record, "too_large", f"too large for {topic}")

        while record.assignment.alive:
            try:
                self._writer.produce(
                    topic, record.raw, acked, key=key, partition=partition, headers=headers
                )
                return
            except Full:
                time.sleep(_WAIT_S)
        self._soon.remove(record)

    def _forget(self, gone: Sequence[Assignment]) -> None:
        self._tiers.difference_update(gone)
        for held in self.line.forget(gone):
            (self._far if held.in_tier else self._soon).remove(held.record)
        for _ in range(len(self._kept_back)):
            held = self._kept_back.popleft()
            if held.record.assignment in gone:
                self._soon.remove(held.record)
            else:
                self._kept_back.append(held)
