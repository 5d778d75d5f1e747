"""The one loop: poll, decode, handle; only it knows offsets.

One thread owns the consumer. Handlers finish records in any order, from any thread; a window per
partition turns that into commits every 100 ms (once.md 1 to 5). Full is an answer: reading stops,
polling goes on. A process that stood still proves it is still a member before anything completes.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from hookstream.stream.counts import Counts
from hookstream.stream.dead import Decoder
from hookstream.stream.gap import Gap, step_over
from hookstream.stream.groups import OffsetsMissing, waited_out
from hookstream.stream.member import REFUSED_S, REPLACED, Refused, member
from hookstream.stream.pace import Pace
from hookstream.stream.record import Assignment, Events, Record
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.window import SPAN, Committed, Window

COMMIT_S = 0.1
STALL_S = 3.0
"""A loop that did not turn for this long may have been replaced in its group."""
_IDLE_POLL_S = 0.1
_FULL_POLL_S = 0.02
_FULL_S = 0.002
_PAUSE_AFTER_S = 1.0
REVOKE_S = 3.0
logger = logging.getLogger(__name__)


class Handler:
    """What a service does with records. Called on the loop's thread."""

    def assigned(self, taken: Sequence[Assignment]) -> Mapping[tuple[str, int], int]:
        """Partitions are ours from now on. May return start offsets of its own keeping."""
        del taken
        return {}

    def handle(self, records: Sequence[Record]) -> None:
        """Take these records in; each is finished by its `done()`, in any order, at any time."""
        raise NotImplementedError

    def full(self) -> bool:
        """Whether reading should pause for now."""
        return False

    def wants(self, assignment: Assignment) -> bool:
        """Whether more of this partition should be read; what was prefetched of it is dropped."""
        del assignment
        return True

    def turned(self) -> None:
        """Called once a turn of the loop, at least every 250 ms."""

    def revoked(self, going: Sequence[Assignment], within_s: float) -> None:
        """Finish what is open for these partitions, in time; they are closed after this."""
        del going, within_s

    def lost(self, gone: Sequence[Assignment]) -> None:
        """These partitions belong to another member already (their `alive` is False)."""
        del gone

    def steadied(self) -> None:
        """After a stall the group still knows us: what was held back may complete."""


class Loop:
    """Runs one handler over some topics, in the thread that calls `run`."""

    def __init__(
        self,
        kafka: KafkaSettings,
        group: str,
        topics: Sequence[str],
        handler: Handler,
        *,
        decoder: Decoder | None = None,
        stop_within_s: float = REVOKE_S,
        max_records: int = 10_000,
        max_bytes: int = 64 * 1024 * 1024,
        batch: int = 500,
        consumer: Mapping[str, Any] = {},
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        is_new: Callable[[str, int], bool] = lambda *_: False,
    ) -> None:
        """`is_new`: whether a partition came after the group's start, so that it has no offset."""
        self.group = group
        self.topics = tuple(topics)
        self.assignments: dict[tuple[str, int], Assignment] = {}
        self.last_turn = time.monotonic()
        self.on_joined: Callable[[], None] = lambda: None
        """Told each time the group has given out its partitions, be it none to us."""
        self.counts = Counts(topics)
        self.on_gap: Callable[[Gap], None] = lambda _: None  # of what was deleted unread
        self._kafka = kafka
        self._handler = handler
        self._decoder = decoder
        self._stop_within_s = stop_within_s
        self._all_paused = False
        self._pace = Pace()
        self._names = {kafka.topic(t): t for t in topics}
        self._max_records, self._max_bytes, self._batch = max_records, max_bytes, batch
        self._clock_ms = clock_ms
        self._is_new = is_new
        self._events: Events = deque()
        self._stopping = threading.Event()
        self._doubt = False
        self._refused_at = math.inf
        self._full_since = math.inf
        self._committed_at = 0.0
        self._consumer = Consumer(
            member(kafka, group) | {"on_commit": self._committed} | dict(consumer)
        )

    def run(self) -> None:
        """Turn until `stop`; then revoke what is assigned, commit, and leave the group."""
        self._consumer.subscribe(
            list(self._names),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        try:
            while not self._stopping.is_set():
                self._turn()
        finally:
            self._leave()

    def stop(self) -> None:
        """End `run` after the turn under way. From any thread."""
        self._stopping.set()

    def steady(self) -> bool:
        """Whether a completion may go ahead: not after a stall, till the group confirmed us."""
        return not self._doubt and time.monotonic() - self.last_turn < STALL_S

    # -- one turn -------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._mind_the_gap()
        self._take_events()
        self._commit_if_due()
        records = self._read()
        self._pace.took(len(records), time.monotonic())
        if records:
            self._handler.handle(records)
        self._handler.turned()

    def _mind_the_gap(self) -> None:
        now = time.monotonic()
        took_s = now - self.last_turn
        self.counts.turned(took_s, full=self._full_since != math.inf)
        if took_s > STALL_S:
            self._doubt = True
        self.last_turn = now
        if self._doubt:
            self._prove()
        self._mind_the_refused()

    def _prove(self) -> None:
        """A synchronous commit: the broker refuses it to a member that was replaced."""
        self._take_events()
        try:
            self._commit(list(self.assignments.values()), wait=True)
        except KafkaException as error:
            if error.args[0].code() not in REPLACED:
                return  # no word from the group: asked again with the next turn
            self._lose(list(self.assignments.values()))
            self._refused_at = self.last_turn
        self._doubt = False
        self._handler.steadied()

    def _mind_the_refused(self) -> None:
        """What was refused to us the group takes away, or the process ends and begins anew."""
        late = self.last_turn - self._refused_at > REFUSED_S
        if late and not all(a.alive for a in self.assignments.values()):
            raise Refused("partitions were refused to us and not taken away")

    def _take_events(self) -> None:
        events = self._events
        while events:
            assignment, offset, log_offset = events.popleft()
            if log_offset is None:
                assignment.window.done(offset)
            else:
                assignment.window.logged(offset, log_offset)

    def _read(self) -> list[Record]:
        full = self._is_full()
        if full and time.monotonic() - self._full_since < _PAUSE_AFTER_S:
            time.sleep(_FULL_S)
            return []
        self._pause_all(full)
        if (rest_s := self._pace.rest_s(time.monotonic())) > 0:
            time.sleep(rest_s)
        first = self._consumer.poll(_FULL_POLL_S if full else _IDLE_POLL_S)
        if first is None:
            return []
        return self._admit([first, *([] if full else self._consumer.consume(self._batch - 1, 0))])

    def _is_full(self) -> bool:
        windows = [a.window for a in self.assignments.values()]
        full = (
            self._handler.full()
            or sum(map(len, windows)) >= self._max_records
            or sum(w.open_bytes for w in windows) >= self._max_bytes
        )
        self._full_since = min(self._full_since, time.monotonic()) if full else math.inf
        return full

    def _pause_all(self, full: bool) -> None:
        """Full for long: pause and poll on. A pause drops what is prefetched: not for a moment."""
        if not full:
            self._hold_back()
        if full == self._all_paused:
            return
        self._all_paused = full
        free = [a for a in self.assignments.values() if not a.paused]
        (self._pause if full else self._resume)(free)

    def _hold_back(self) -> None:
        """Pause the partitions that have enough for now, resume those that do not."""
        enough: list[Assignment] = []
        more: list[Assignment] = []
        for assignment in self.assignments.values():
            most = SPAN // 2 if assignment.paused else SPAN
            wanted = assignment.window.span < most and self._handler.wants(assignment)
            if wanted == assignment.paused:
                (more if wanted else enough).append(assignment)
                assignment.paused = not wanted
        self._pause(enough)
        self._resume(more)

    def _pause(self, some: list[Assignment]) -> None:
        if some:
            self._consumer.pause([self._at(a) for a in some])

    def _resume(self, some: list[Assignment]) -> None:
        if some:
            self._consumer.resume([self._at(a) for a in some])

    def _admit(self, messages: list[Any]) -> list[Record]:
        records = []
        for message in messages:
            if message.error() is not None:
                self._missed(message)
                continue
            assignment = self.assignments.get((message.topic(), message.partition()))
            if assignment is None or not assignment.alive:
                continue
            raw = message.value() or b""
            if not assignment.window.add(message.offset(), len(raw)):
                continue
            assignment.read += 1
            assignment.read_at_ms = at_ms = message.timestamp()[1]
            records.append(
                Record(
                    assignment,
                    message.offset(),
                    at_ms,
                    message.key(),
                    dict(message.headers() or ()),
                    raw,
                )
            )
        return self._decoder.decode(records) if self._decoder else records

    def _missed(self, message: Any) -> None:
        """What was to be read next is not there any more: tell, and go on with what is."""
        assignment = self.assignments.get((message.topic(), message.partition()))
        if message.error().code() != KafkaError._AUTO_OFFSET_RESET:
            logger.warning("%s cannot read for now: %s", self.group, message.error())
        elif assignment is not None:
            paused = assignment.paused or self._all_paused
            gap = step_over(self._consumer, message.topic(), assignment, paused=paused)
            if gap is not None:
                self.counts.lost[gap.topic] += gap.records
                self.on_gap(gap)

    # -- commits --------------------------------------------------------------------------------

    def _commit_if_due(self) -> None:
        now = time.monotonic()
        if now - self._committed_at < COMMIT_S:
            return
        self._committed_at = now
        changed = [a for a in self.assignments.values() if a.alive and a.window.changed]
        if changed:
            self._commit(changed, wait=False)

    def _commit(self, some: list[Assignment], *, wait: bool) -> None:
        if not some:
            return
        offsets = [self._at(a, commit=True) for a in some]
        for assignment in some:
            assignment.window.changed = False
        self._consumer.commit(offsets=offsets, asynchronous=not wait)  # type: ignore[call-overload]

    def _committed(self, error: KafkaError | None, parts: list[TopicPartition]) -> None:
        """What the broker did not take is sent again with the next commit, whatever comes."""
        for part in parts:
            assignment = self.assignments.get((part.topic, part.partition))
            if assignment is not None and (error is not None or part.error is not None):
                assignment.window.changed = True
                self.counts.commits_refused += 1

    def _at(self, assignment: Assignment, *, commit: bool = False) -> TopicPartition:
        if not commit:
            return TopicPartition(*self._key(assignment))
        window = assignment.window
        metadata = window.metadata(self._clock_ms())
        return TopicPartition(*self._key(assignment), window.base, metadata=metadata)

    # -- rebalances -----------------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        found = waited_out(lambda _: consumer.committed(parts, timeout=2)) if parts else []
        taken = [self._take(part) for part in found]
        own = self._handler.assigned(taken) if taken else {}
        for assignment in taken:
            start = own.get((assignment.topic, assignment.partition))
            if start is not None:
                assignment.window = Window(Committed(offset=start))
            assignment.window.changed = assignment.committed == Committed(offset=0)
            self.assignments[self._key(assignment)] = assignment
        consumer.incremental_assign([self._start(a) for a in taken])
        # Those kept too: a rebalance that came while all were paused must not leave them so.
        self._resume([a for a in self.assignments.values() if not a.paused])
        self._all_paused = False
        self._tell("assigned", taken)
        self.on_joined()

    def _take(self, part: TopicPartition) -> Assignment:
        committed = Committed.parse(part.offset, part.metadata) if part.offset >= 0 else None
        if part.offset < 0 and self._is_new(self._names[part.topic], part.partition):
            committed = Committed(offset=0)
        if committed is None:
            raise OffsetsMissing(f"no offset of ours for {part.topic} [{part.partition}]")
        return Assignment(self._names[part.topic], part.partition, committed, self._events)

    def _start(self, assignment: Assignment) -> TopicPartition:
        return TopicPartition(*self._key(assignment), assignment.window.base)

    def _on_revoke(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        going = self._ours(parts)
        self._tell("revoked", going)
        within_s = self._stop_within_s if self._stopping.is_set() else REVOKE_S
        self._handler.revoked(going, within_s)
        self._take_events()
        for assignment in going:
            assignment.alive = False
        try:
            self._commit(going, wait=True)
        except KafkaException:  # replaced already: its work is another's now
            self.counts.commits_refused += 1
        self._forget(going)
        consumer.incremental_unassign(parts)

    def _on_lost(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        gone = self._ours(parts)
        self._tell("lost", gone)
        self._lose([a for a in gone if a.alive])
        self._forget(gone)
        consumer.incremental_unassign(parts)

    def _lose(self, gone: list[Assignment]) -> None:
        for assignment in gone:
            assignment.alive = False
        self._handler.lost(gone)

    def _ours(self, parts: list[TopicPartition]) -> list[Assignment]:
        keys = [(p.topic, p.partition) for p in parts]
        return [self.assignments[k] for k in keys if k in self.assignments]

    def _key(self, assignment: Assignment) -> tuple[str, int]:
        return self._kafka.topic(assignment.topic), assignment.partition

    def _forget(self, some: list[Assignment]) -> None:
        for assignment in some:
            if self.assignments.pop(self._key(assignment), None):
                self.counts.read[assignment.topic] += assignment.read

    def _tell(self, what: str, some: list[Assignment]) -> None:
        self.counts.moved[what] += len(some)
        named = [f"{a.topic}-{a.partition}" for a in some]
        logger.info(what, extra={"fields": {"group": self.group, "partitions": named}})

    def _leave(self) -> None:
        self._take_events()
        self._consumer.close()
