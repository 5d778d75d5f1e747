"""The loop of the router: a delivery for each webhook that asked for the event. Remembers nothing.

Events may come straight into Kafka, so everything that ingest checks is checked here again. One
event for ten thousand webhooks is never in memory as ten thousand deliveries: they are made one by
one, as the broker acknowledges, and the loop turns meanwhile.
"""

import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import cast

from hookstream.model.checks import check
from hookstream.model.errors import Refusal
from hookstream.model.records import OWN_FAULT, Event
from hookstream.process import tracing
from hookstream.stream.dead import DeadLetters
from hookstream.stream.deliveries import produce_delivery
from hookstream.stream.fault_rate import FaultRate
from hookstream.stream.loop import Handler
from hookstream.stream.partitioning import Partitioning
from hookstream.stream.record import Assignment, Record
from hookstream.stream.table import ConfigUnreachable, Table
from hookstream.stream.topics import DELIVERIES, EVENTS
from hookstream.stream.writer import Ack, Full, Refused, Writer
from services.router.fan import Fan, Lengths
from services.router.settings import RouterSettings
from services.router.subscribers import Subscribers

_CONFIG_S = 1.0
"""How long a turn waits for config; Kafka may be away, and the loop must turn."""
_WAIT_S = 0.001
_TOO_LARGE = Refusal(code="too_large", field="", detail="a delivery of it is too large for Kafka")
logger = logging.getLogger(__name__)
_PROCESS = tracing.messaging("process", "process", EVENTS)
_SEND = tracing.messaging("send", "send", DELIVERIES)


class Router(Handler):
    """Turns events into deliveries. Everything but the acks happens on the loop's thread."""

    def __init__(
        self,
        table: Table,
        writer: Writer,
        dead: DeadLetters,
        partitioning: Partitioning,
        settings: RouterSettings,
    ) -> None:
        self._table, self._config = table, table.config
        self._writer = writer
        self._dead = dead
        self._partitioning = partitioning
        self._max_bytes = settings.max_event_kib * 1024
        self._ahead, self._ahead_bytes = settings.ahead, settings.ahead_mib * 1024 * 1024
        self._subscribers = Subscribers(table.config)
        self._lengths = Lengths()
        self._fault_rate = FaultRate()
        self._arrived: deque[Record] = deque()
        self._fans: deque[Fan] = deque()
        self._acks: deque[tuple[Fan, int, Refused | None]] = deque()
        self._unacked = 0
        self._unacked_bytes = 0
        self.routed = {"matched": 0, "unmatched": 0, "refused": 0}
        """Events so far, by what became of them."""
        self.matches = 0
        """Webhooks that they were for."""
        table.on_change(self._subscribers.changed)

    def handle(self, records: Sequence[Record]) -> None:
        self._arrived.extend(records)
        self.turned()

    def turned(self) -> None:
        self._take_acks()
        self._route_arrived()
        self._send()

    def full(self) -> bool:
        return bool(self._arrived or self._fans) or self._is_ahead()

    def revoked(self, going: Sequence[Assignment], within_s: float) -> None:
        """What Kafka has before the last commit need not be routed again."""
        del going
        deadline = time.monotonic() + within_s
        while self._unacked and time.monotonic() < deadline:
            time.sleep(_WAIT_S)
            self._take_acks()

    def _is_ahead(self) -> bool:
        return self._unacked >= self._ahead or self._unacked_bytes >= self._ahead_bytes

    def _route_arrived(self) -> None:
        """By config as it is now: a webhook whose making was answered before gets the event.

        While partitions grow no event is begun; what has been begun is sent to its end.
        """
        if not self._arrived:
            return
        try:
            self._table.catch_up(_CONFIG_S)
        except ConfigUnreachable:
            return
        while self._arrived and not self._partitioning.draining:
            record = self._arrived.popleft()
            if record.assignment.alive:
                self._route_alone(record)

    def _route_alone(self, record: Record) -> None:
        try:
            self._route(record)
        except Exception as error:
            why = self._fault(error)
            self._dead.put(record, why.code, why.detail, cast(Event, record.value))

    def _fault(self, error: Exception) -> Refusal:
        """A fault of ours in one event is that event's, and holds up no other. Where most events
        meet one it is raised: the process ends, before all are dead letters."""
        if self._fault_rate.failed():
            raise error
        name = type(error).__name__
        logger.error("a fault of ours in one event", exc_info=error)
        detail = f"a fault of ours ({name}): see router's log"
        return Refusal(code=OWN_FAULT, field="", detail=detail)

    def _route(self, record: Record) -> None:
        event = cast(Event, record.value)
        refusal = self._refusal(event)
        if refusal is not None:
            self.routed["refused"] += 1
            self._dead.put(record, refusal.code, refusal.detail, event)
            return
        incoming = record.headers.get("traceparent")
        with tracing.span("process events", tracing.CONSUMER, incoming, (), _PROCESS) as span:
            webhooks = self._subscribers.of(event)
            self.matches += len(webhooks)
            self.routed["matched" if webhooks else "unmatched"] += 1
            if webhooks:
                self._fans.append(Fan(record, event, webhooks, span.traceparent))
            else:
                self._done(record)

    def _done(self, record: Record) -> None:
        self._fault_rate.went_well()
        record.done()

    def _refusal(self, event: Event) -> Refusal | None:
        types = self._config.event_types.get(event.workspace, {})
        return check(
            event,
            self._config.workspaces.get(event.workspace),
            types.get(event.type),
            lambda: [name for name, known in types.items() if known.state == "active"],
            lambda name: self._subscribers.has(event.workspace, name),
            self._max_bytes,
        )

    def _send(self) -> None:
        """Produce until all is sent, or enough is unacknowledged: the next turn goes on."""
        while self._fans and not self._is_ahead():
            fan = self._fans[0]
            if fan.record.assignment.alive and not fan.is_sent:
                try:
                    self._produce(fan)
                except Full:
                    return
                except Exception as error:
                    self._miss(fan, error)
            else:
                self._fans.popleft()

    def _produce(self, fan: Fan) -> None:
        size = len(fan.event.data)
        span = tracing.span("send deliveries", tracing.PRODUCER, fan.traceparent, (), _SEND)

        def acked(ack: Ack) -> None:
            span.end(ack.refused.value if ack.refused else None)
            self._acks.append((fan, size, ack.refused))

        delivery, codec, n = fan.next(self._lengths), self._table.codec, self._partitioning.count
        produce_delivery(self._writer, codec, delivery, fan.hash, span.traceparent, n, acked)
        fan.sent += 1
        self._unacked += 1
        self._unacked_bytes += size

    def _miss(self, fan: Fan, error: Exception) -> None:
        """The event's other deliveries are made all the same."""
        fan.sent += 1
        fan.missed(self._fault(error))
        self._finish(fan)

    def _take_acks(self) -> None:
        while self._acks:
            fan, size, refused = self._acks.popleft()
            self._unacked -= 1
            self._unacked_bytes -= size
            if refused is None:
                fan.acked += 1
                self._finish(fan)
            elif refused is Refused.TOO_LARGE:
                fan.missed(_TOO_LARGE)
                self._finish(fan)

    def _finish(self, fan: Fan) -> None:
        if not fan.is_acked:
            return
        if fan.refused:
            self._dead.put(fan.record, fan.refused.code, fan.refused.detail, fan.event)
        else:
            self._done(fan.record)
