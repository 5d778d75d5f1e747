"""Settling a turn: outcome, then successor, then offset, each after the ack of the one before.

The order is the protocol (once.md 6): a crash between any two steps repeats nothing but what the
next owner can tell from the log. Nothing is produced for a partition that is no longer ours but a
`superseded` outcome, which settles nothing.
"""

import asyncio
import time
from collections.abc import Callable

from hookstream.model.records import UNSETTLED, Delivery, Outcome
from hookstream.process import tracing
from hookstream.stream.codec import Codec
from hookstream.stream.dead import DeadLetters
from hookstream.stream.deliveries import delivery_headers, produce_delivery
from hookstream.stream.partitioning import Partitioning
from hookstream.stream.settled import Settlement
from hookstream.stream.tail import settlement_headers
from hookstream.stream.topics import OUTCOMES, RETRY
from hookstream.stream.writer import Ack, Full, Refused, Writer
from services.deliverer.ending import Ending, outcome, settlement, successor
from services.deliverer.passage import Passage

Then = Callable[[Passage], None]
_FULL_WAIT_S = 0.01
TOGETHER_S = 0.1
FAR_MS = 1_000
"""A next turn that is due this much later or more is written with others of a tenth of a second:
each alone would be a request to the broker of its own."""
_SPAN, _SEND = f"send {OUTCOMES}", tracing.messaging("send", "send", OUTCOMES)
SUPERSEDED = Ending(result="superseded", reason="partition_moved")


class Settler:
    """Writes outcomes and successors. Called on the asyncio thread, where acks arrive as well.

    `reached` is told of every step that cannot be taken back, so that tests can stop there.
    """

    def __init__(
        self,
        writer: Writer,
        codec: Codec,
        dead: DeadLetters,
        partitioning: Partitioning,
        log: Callable[[Outcome], None],
        reached: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._writer = writer
        self._codec = codec
        self._dead = dead
        self._partitioning = partitioning
        self._log = log
        self._reached = reached
        self._later: list[Callable[[], None]] = []

    def settle(self, passage: Passage, ending: Ending, then: Then) -> None:
        """Write the outcome of a turn and see it through; `then` is called when all is done."""
        alive = passage.record.assignment.alive
        self._write(passage, ending if alive else SUPERSEDED, then)

    def succeed(self, passage: Passage, settled: Settlement, then: Then) -> None:
        """Write the successor that `settled` speaks of, then let the offset go."""
        if not passage.record.assignment.alive:
            then(passage)
            return
        following = successor(passage.delivery, settled)
        if following is None:
            self._done(passage, then)
            return

        def acked(ack: Ack) -> None:
            if ack.refused is Refused.TOO_LARGE:
                self._dead.put(passage.record, "too_large", "the next turn is too large for Kafka")
                then(passage)
            elif ack.refused is not None:
                self.succeed(passage, settled, then)
            else:
                self._reached("successor acknowledged")
                self._done(passage, then)

        if following.due_at_ms - _now_ms() < FAR_MS:
            self._forward(passage, following, settled, acked)
        else:
            self._with_others(passage, following, settled, acked, then)

    def purge(self) -> None:
        """Give up what waits in the producer's queue; what is still ours is written again."""
        self._writer.purge()

    def _write(self, passage: Passage, ending: Ending, then: Then) -> None:
        delivery, record = passage.delivery, passage.record
        now_ms = _now_ms()
        version = passage.webhook.version if passage.webhook else delivery.webhook_version
        written = outcome(delivery, version, ending, now_ms, passage.trace_id)
        settled = settlement(delivery, ending, passage.hash, record.offset)
        span = tracing.span(_SPAN, tracing.PRODUCER, passage.traceparent, (), _SEND)

        def acked(ack: Ack) -> None:
            span.end()
            if ack.refused is Refused.TOO_LARGE:
                self._dead.put(record, "too_large", "the outcome is too large for Kafka")
                record.assignment.state.settled.ended(delivery.id, settled)
                then(passage)
            elif ack.refused is not None:
                self.settle(passage, ending, then)
            else:
                self._reached("outcome acknowledged")
                self._log(written)
                self._acked(passage, settled, ack, then)

        headers = settlement_headers(delivery.id, settled)
        if span.traceparent is not None:
            headers.append(("traceparent", span.traceparent))
        partition, value = record.assignment.partition, self._codec.encode(written)
        self._until_queued(
            lambda: self._writer.produce(
                OUTCOMES, value, acked, key=delivery.lane, partition=partition, headers=headers
            )
        )

    def _until_queued(self, produce: Callable[[], object]) -> None:
        try:
            produce()
        except Full:
            again = asyncio.get_running_loop().call_later
            again(_FULL_WAIT_S, self._until_queued, produce)

    def _acked(self, passage: Passage, settled: Settlement, ack: Ack, then: Then) -> None:
        assignment = passage.record.assignment
        if settled.result == "superseded":
            then(passage)
            return
        if settled.result not in UNSETTLED:
            assignment.state.settled.ended(passage.delivery.id, settled)
            passage.record.logged(ack.offset)
        self.succeed(passage, settled, then)

    def _with_others(
        self,
        passage: Passage,
        following: Delivery,
        settled: Settlement,
        acked: Callable[[Ack], None],
        then: Then,
    ) -> None:
        def forward() -> None:
            if passage.record.assignment.alive:
                self._forward(passage, following, settled, acked)
            else:
                then(passage)

        if not self._later:
            asyncio.get_running_loop().call_later(TOGETHER_S, self._forward_all)
        self._later.append(forward)

    def _forward_all(self) -> None:
        later, self._later = self._later, []
        for forward in later:
            forward()

    def _forward(
        self,
        passage: Passage,
        following: Delivery,
        settled: Settlement,
        acked: Callable[[Ack], None],
    ) -> None:
        trace, hash_ = passage.traceparent, passage.hash
        if settled.result == "rekeyed":
            writer, codec, n = self._writer, self._codec, self._partitioning.count
            self._until_queued(
                lambda: produce_delivery(writer, codec, following, hash_, trace, n, acked)
            )
            return
        value, headers = self._codec.encode(following), delivery_headers(following, hash_, trace)
        self._until_queued(
            lambda: self._writer.produce(RETRY, value, acked, key=following.id, headers=headers)
        )

    def _done(self, passage: Passage, then: Then) -> None:
        passage.record.done()
        then(passage)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
