"""The loop of the router: a delivery for each webhook that asked for the event. Remembers nothing.

Events may come straight into Kafka, so everything that ingest checks is checked here again. One
event for ten thousand webhooks is never in memory as ten thousand deliveries: they are made one by
one, as the broker acknowledges.
"""

import time
from collections import deque
from collections.abc import Sequence
from typing import cast

from msgspec import Struct

from hookstream.model.checks import check
from hookstream.model.errors import Refusal
from hookstream.model.ids import delivery_id, payload_hash
from hookstream.model.match import routes
from hookstream.model.records import Delivery, Event, Webhook
from hookstream.model.schedule import give_up_at_ms
from hookstream.process import tracing
from hookstream.stream.dead import DeadLetters
from hookstream.stream.deliveries import produce_delivery
from hookstream.stream.loop import Handler
from hookstream.stream.record import Record
from hookstream.stream.table import Table
from hookstream.stream.writer import Ack, Full, Refused, Writer
from services.router.settings import RouterSettings

_ROUTES_KEPT = 50_000
_WAIT_S = 0.001


class Fan:
    """One event's deliveries on their way to the broker."""

    __slots__ = ("acked", "complete", "record", "refused", "sent")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.sent = 0
        self.acked = 0
        self.complete = False
        self.refused = False


class Router(Handler):
    """Turns events into deliveries. Everything but the acks happens on the loop's thread."""

    def __init__(
        self,
        table: Table,
        writer: Writer,
        dead: DeadLetters,
        partitions: int,
        settings: RouterSettings,
    ) -> None:
        self._table, self._config = table, table.config
        self._writer = writer
        self._dead = dead
        self._partitions = partitions
        self._max_bytes = settings.max_event_kib * 1024
        self._ahead, self._ahead_bytes = settings.ahead, settings.ahead_mib * 1024 * 1024
        self._unacked = 0
        self._unacked_bytes = 0
        self._acks: deque[tuple[Fan, int, Refused | None]] = deque()
        self._routes: dict[tuple[str, str], list[Webhook]] = {}
        self._give_up_after: dict[tuple[str, int], int] = {}
        table.on_change(self._changed)

    def handle(self, records: Sequence[Record]) -> None:
        self._table.catch_up()
        for record in records:
            self._route(record, cast(Event, record.value))

    def turned(self) -> None:
        self._take_acks()

    def full(self) -> bool:
        return self._unacked >= self._ahead or self._unacked_bytes >= self._ahead_bytes

    def _route(self, record: Record, event: Event) -> None:
        if not isinstance(event, Event):
            self._dead.put(record, "not_an_event", "another kind of record on the events topic")
            return
        refusal = self._refusal(event)
        if refusal is not None:
            self._dead.put(record, refusal.code, f"{refusal.field}: {refusal.detail}", event)
            return
        fan = Fan(record)
        incoming = record.headers.get("traceparent")
        with tracing.span("process events", tracing.CONSUMER, incoming) as span:
            hash_ = payload_hash(event)
            for webhook in self._webhooks(event):
                self._produce(fan, webhook, event, hash_, span.traceparent)
        fan.complete = True
        self._finish(fan)

    def _refusal(self, event: Event) -> Refusal | None:
        known = self._config.event_types.get(event.workspace, {})
        return check(
            event,
            self._config.workspaces.get(event.workspace),
            known.get(event.type),
            lambda: known,
            lambda name: self._named(event.workspace, name) is not None,
            self._max_bytes,
        )

    def _named(self, workspace: str, name: str) -> Webhook | None:
        webhooks = self._config.by_workspace.get(workspace, {}).values()
        return next((w for w in webhooks if w.name.lower() == name.lower()), None)

    def _webhooks(self, event: Event) -> list[Webhook]:
        if event.webhook is not None:
            named = self._named(event.workspace, event.webhook)
            return list(routes([named] if named else [], event))
        key = (event.workspace, event.type)
        found = self._routes.get(key)
        if found is None:
            if len(self._routes) >= _ROUTES_KEPT:
                self._routes.clear()
            webhooks = self._config.by_workspace.get(event.workspace, {}).values()
            found = self._routes[key] = list(routes(webhooks, event))
        return found

    def _changed(self, key: str, _: Struct | None) -> None:
        if key.startswith("webhook/"):
            self._routes.clear()

    def _produce(
        self, fan: Fan, webhook: Webhook, event: Event, hash_: str, trace: bytes | None
    ) -> None:
        size = len(event.data)
        fan.sent += 1
        self._unacked += 1
        self._unacked_bytes += size
        delivery = self._delivery(fan.record, webhook, event)
        span = tracing.span("send deliveries", tracing.PRODUCER, trace)

        def acked(ack: Ack) -> None:
            span.end(ack.refused.value if ack.refused else None)
            self._acks.append((fan, size, ack.refused))

        codec, trace = self._table.codec, span.traceparent
        while True:
            try:
                produce_delivery(
                    self._writer, codec, delivery, hash_, trace, self._partitions, acked
                )
                break
            except Full:
                self._wait()
        while self.full() and fan.record.assignment.alive:
            self._wait()

    def _delivery(self, record: Record, webhook: Webhook, event: Event) -> Delivery:
        at_ms = record.timestamp_ms
        key = (webhook.id, webhook.version)
        if key not in self._give_up_after:
            if len(self._give_up_after) >= _ROUTES_KEPT:
                self._give_up_after.clear()
            self._give_up_after[key] = give_up_at_ms(webhook.policy, 0)
        return Delivery(
            id=delivery_id(webhook.id, event.id),
            turn=1,
            webhook=webhook.id,
            webhook_version=webhook.version,
            lane=webhook.lane,
            event=event,
            due_at_ms=at_ms,
            give_up_at_ms=at_ms + self._give_up_after[key],
            logged_at_ms=at_ms,
        )

    def _wait(self) -> None:
        time.sleep(_WAIT_S)
        self._take_acks()

    def _take_acks(self) -> None:
        while self._acks:
            fan, size, refused = self._acks.popleft()
            self._unacked -= 1
            self._unacked_bytes -= size
            fan.acked += 1
            fan.refused = fan.refused or refused is not None
            self._finish(fan)

    def _finish(self, fan: Fan) -> None:
        if not fan.complete or fan.acked < fan.sent:
            return
        if fan.refused:
            self._dead.put(fan.record, "too_large", "a delivery of it is too large for Kafka")
        else:
            fan.record.done()
