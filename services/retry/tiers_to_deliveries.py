"""The loop of retry: a delay line. The same bytes, later; it knows no schema, policy or config.

A record on `retry` goes to the longest tier that is left in time, or waits in memory if it is due
within three seconds. A record in a tier has waited when the tier's delay has passed since Kafka
appended it; then it goes on, in the same way. Nothing goes back to the topic it came from.
"""

import time
from collections.abc import Callable, Sequence

from hookstream.stream.dead import DeadLetters
from hookstream.stream.deliveries import partition_of_lane
from hookstream.stream.loop import Handler
from hookstream.stream.record import Assignment, Record
from hookstream.stream.topics import DELIVERIES, TIERS
from hookstream.stream.writer import Ack, Full, Headers, Writer
from services.retry.delay_line import DelayLine
from services.retry.tiers import next_hop

FEW = 200
"""Records of a partition that wait in memory before it is left alone for a while."""
AHEAD_MS = 1_500
"""A partition is read on this long before what was read of it runs out: resuming takes time."""
_FULL_WAIT_S = 0.005


class Waiting:
    """What waits in memory of one partition. The loop's thread counts in, the line's out."""

    __slots__ = ("arrived", "last_at_ms", "left")

    def __init__(self) -> None:
        self.arrived = 0
        self.left = 0
        self.last_at_ms = 0


class Retry(Handler):
    """Moves records from tier to tier and, when due, to deliveries."""

    def __init__(
        self,
        writer: Writer,
        dead: DeadLetters,
        partitions: int,
        clock_ms: Callable[[], float],
        late: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.line = DelayLine(self._release, clock_ms)
        self._writer = writer
        self._dead = dead
        self._partitions = partitions
        self._clock_ms = clock_ms
        self._late = late

    def assigned(self, taken: Sequence[Assignment]) -> dict[tuple[str, int], int]:
        for assignment in taken:
            assignment.state = Waiting()
        return {}

    def wants(self, assignment: Assignment) -> bool:
        waiting: Waiting = assignment.state
        soon = waiting.last_at_ms - self._clock_ms() < AHEAD_MS
        return waiting.arrived - waiting.left < FEW or soon

    def handle(self, records: Sequence[Record]) -> None:
        waiting = []
        for record in records:
            if not {"due", "lane"} <= record.headers.keys():
                self._dead.put(record, "not_a_delivery", "a record without due or lane")
            elif (wait_ms := TIERS.get(record.assignment.topic)) is not None:
                waiting.append(self._wait(record, record.timestamp_ms + wait_ms))
            else:
                self._begin(record, waiting)
        self.line.put(waiting)

    def _wait(self, record: Record, at_ms: int) -> tuple[int, Record]:
        state: Waiting = record.assignment.state
        state.arrived += 1
        state.last_at_ms = max(state.last_at_ms, at_ms)
        return at_ms, record

    def _begin(self, record: Record, waiting: list[tuple[int, Record]]) -> None:
        due_at_ms = int(record.headers["due"])
        tier = next_hop(due_at_ms, int(self._clock_ms()))
        if tier is None:
            waiting.append(self._wait(record, due_at_ms))
        else:
            self._produce(record, tier, record.key, -1)

    def _release(self, record: Record, at_ms: int) -> None:
        """The moment has come: the record is due, or its tier is over."""
        due_at_ms = int(record.headers["due"])
        if due_at_ms <= self._clock_ms():
            record.assignment.state.left += 1
            self._deliver(record)
            self._late((self._clock_ms() - max(due_at_ms, at_ms)) / 1000)
        elif (tier := next_hop(due_at_ms, int(self._clock_ms()))) is not None:
            record.assignment.state.left += 1
            self._produce(record, tier, record.key, -1)
        else:
            self.line.put([(due_at_ms, record)])

    def _deliver(self, record: Record) -> None:
        lane = record.headers["lane"]
        self._produce(record, DELIVERIES, lane, partition_of_lane(lane, self._partitions))

    def _produce(self, record: Record, topic: str, key: bytes | str | None, partition: int) -> None:
        headers: Headers = [*record.headers.items()]

        def acked(ack: Ack) -> None:
            if ack.refused is None:
                record.done()
            else:
                self._dead.put(record, "too_large", f"too large for {topic}")

        while record.assignment.alive:
            try:
                self._writer.produce(
                    topic, record.raw, acked, key=key, partition=partition, headers=headers
                )
                return
            except Full:
                time.sleep(_FULL_WAIT_S)
