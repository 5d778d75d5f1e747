"""Events to Kafka: encoded, keyed, traced; answered once the broker has them.

Under load they wait a moment for others to go with: the broker spends by requests.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from hookstream.model.ids import event_key
from hookstream.model.records import Event
from hookstream.process import tracing
from hookstream.stream.codec import Codec
from hookstream.stream.pace import Pace
from hookstream.stream.topics import EVENTS
from hookstream.stream.writer import Ack, Full, Headers, Refused, Writer
from services.ingest.problems import Problem, unknown

ACK_TIMEOUT_MS = 9_000
"""librdkafka looks for what is overdue once a second: the answer comes within ten."""
GATHER_S = 0.005
"""How long an event waits for others under load (`pace.BUSY_PER_S`); below, for none."""
TOO_LARGE = Refused.TOO_LARGE
_ATTRIBUTES = tracing.messaging("send", "send", EVENTS)
_NO = Ack(-1, Refused.PURGED)
Record = tuple[bytes, str | None, Headers, Callable[[Ack], None]]
"""Value, key, headers, and whom to tell."""


class Acks:
    """The broker's answers for the events of one request; `all` is done when none is missing."""

    __slots__ = ("_left", "all", "answers")

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.answers: list[Problem | None] = [None] * count
        self.all: asyncio.Future[None] = loop.create_future()
        self._left = count

    def answered(self, number: int, problem: Problem | None) -> None:
        """The broker has answered for one event."""
        self.answers[number] = problem
        self._left -= 1
        if not self._left and not self.all.done():
            self.all.set_result(None)


class Publisher:
    """Puts events on the events topic. On the event loop's thread alone."""

    def __init__(self, writer: Writer, codec: Codec, max_waiting: int, ratio: float) -> None:
        self._writer = writer
        self._codec = codec
        self.most_waiting = max_waiting
        self._ratio = ratio
        self._loop = asyncio.get_running_loop()
        self._pace = Pace()
        self._gathered: list[Record] = []
        self.accepted = 0
        self.unknown = 0

    def __len__(self) -> int:
        """Events that wait for the broker's answer."""
        return len(self._writer) + len(self._gathered)

    def new_trace(self) -> bytes:
        """A traceparent for what came without one."""
        return tracing.new_traceparent(self._ratio)

    def put(
        self, event: Event, trace: bytes | None, told: Callable[[Problem | None], None]
    ) -> None:
        """Tell None once Kafka has the event for certain, else what to answer.

        trace: the request's traceparent; without one the event begins a trace of its own.
        """
        span = self._span(trace)

        def answered(ack: Ack) -> None:
            if span.recording:
                span.end(ack.refused.value if ack.refused else None)
            told(self._told(event, ack))

        if len(self) >= self.most_waiting:
            answered(_NO)
        else:
            headers: Headers = [("traceparent", span.traceparent)]
            self._gather((self._codec.encode(event), event_key(event), headers, answered))

    async def publish(self, events: Sequence[Event], trace: bytes | None) -> list[Problem | None]:
        """For each event what `put` tells, in order."""
        acks = Acks(len(events), self._loop)
        for number, event in enumerate(events):
            self.put(event, trace, partial(acks.answered, number))
        await acks.all
        return acks.answers

    def _gather(self, record: Record) -> None:
        self._pace.took(1, self._loop.time())
        self._gathered.append(record)
        if len(self._gathered) > 1:
            return  # goes with those before
        if self._pace.is_busy:
            self._loop.call_later(GATHER_S, self._produce)
        else:
            self._produce()

    def _produce(self) -> None:
        gathered, self._gathered = self._gathered, []
        for value, key, headers, answered in gathered:
            try:
                self._writer.produce(EVENTS, value, answered, key=key, headers=headers)
            except Full:
                answered(_NO)

    def _span(self, trace: bytes | None) -> tracing.Span:
        if trace is not None:
            return tracing.span("send events", tracing.PRODUCER, trace, attributes=_ATTRIBUTES)
        new = self.new_trace()
        return tracing.root_span("send events", tracing.PRODUCER, new, attributes=_ATTRIBUTES)

    def _told(self, event: Event, ack: Ack) -> Problem | None:
        if ack.refused is None:
            self.accepted += 1
            return None
        if ack.refused is TOO_LARGE:
            detail = "data is larger than Kafka takes here"
            return Problem(413, "too_large", detail, field="data", event=event.id)
        self.unknown += 1
        return unknown(event.id)
