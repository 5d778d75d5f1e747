"""Events and deliveries straight into Kafka."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from msgspec.structs import replace

from hookstream.model.ids import delivery_id, event_key, payload_hash
from hookstream.model.records import Delivery, Event, Webhook
from hookstream.stream.codec import Codec
from hookstream.stream.deliveries import delivery_headers, produce_delivery
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import EVENTS, RETRY
from hookstream.stream.writer import Ack, Full, Writer

_DAY_MS = 86_400_000
_ACKED_S = 120.0


class KafkaLoadError(Exception):
    """Kafka did not take what was sent."""


class Load:
    """A producer with what went wrong. As a context manager it waits for all acks."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._wrong: list[str] = []
        quick = kafka.model_copy(update={"linger_ms": 5.0})
        self._writer = Writer(quick, "hookstream-bench", on_fatal=self._wrong.append)
        self._codec = Codec()

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        if not self._writer.close(_ACKED_S) or self._wrong:
            raise KafkaLoadError(f"Kafka did not take all records: {self._wrong[:3]}")

    def events(self, made: Iterator[Event], per_s: float | None = None) -> None:
        """As fast as Kafka takes them, or at a steady pace."""
        made = self._warmed(made) if per_s else made
        due = time.perf_counter()
        for event in made:
            self._send(event, self._acked)
            if per_s:
                due += 1 / per_s
                time.sleep(max(0.0, due - time.perf_counter()))

    def _warmed(self, made: Iterator[Event]) -> Iterator[Event]:
        """A producer's start takes half a second: what is measured comes after it."""
        first, started = next(made), threading.Event()
        warm = replace(first, id=f"{first.id}-warm", type="nobody.0")
        self._send(warm, lambda _: started.set())
        if not started.wait(30):
            raise KafkaLoadError("Kafka did not take the first record")
        yield first
        yield from made

    def _send(self, event: Event, acked: Callable[[Ack], None]) -> None:
        value, key = self._codec.encode(event), event_key(event)
        self._until_taken(partial(self._writer.produce, EVENTS, value, acked, key=key))

    def keyed(self, made: Iterator[Event]) -> None:
        """Events whose ids are their keys, for a reader that decodes nothing."""
        for event in made:
            value, key = self._codec.encode(event), event.id
            self._until_taken(partial(self._writer.produce, EVENTS, value, self._acked, key=key))

    def deliveries(
        self,
        made: Iterator[Event],
        webhooks: Sequence[Webhook],
        partitions: int,
        per_s: float | None = None,
    ) -> None:
        """First turns, due now, one for each event; as fast as Kafka takes them, or paced."""
        due = time.perf_counter()
        for number, event in enumerate(made):
            delivery = delivery_of(event, webhooks[number % len(webhooks)])
            self._until_taken(partial(self._deliver, delivery, partitions))
            if per_s:
                due += 1 / per_s
                time.sleep(max(0.0, due - time.perf_counter()))

    def waiting(
        self,
        made: Iterator[Event],
        webhooks: Sequence[Webhook],
        due_at_ms: Callable[[int], int],
        per_s: float | None = None,
    ) -> None:
        """Deliveries on the topic `retry`; `due_at_ms` is told each one's number."""
        begun = time.perf_counter()
        for number, event in enumerate(made):
            webhook = webhooks[number % len(webhooks)]
            delivery = replace(delivery_of(event, webhook), turn=2, due_at_ms=due_at_ms(number))
            self._until_taken(partial(self._wait, delivery))
            if per_s:
                time.sleep(max(0.0, begun + number / per_s - time.perf_counter()))

    def _wait(self, delivery: Delivery) -> None:
        value, hash_ = self._codec.encode(delivery), payload_hash(delivery.event)
        headers = delivery_headers(delivery, hash_, None)
        self._writer.produce(RETRY, value, self._acked, key=delivery.id, headers=headers)

    def _deliver(self, delivery: Delivery, partitions: int) -> None:
        hash_ = payload_hash(delivery.event)
        produce_delivery(self._writer, self._codec, delivery, hash_, None, partitions, self._acked)

    def _until_taken(self, produce: Callable[[], object]) -> None:
        deadline = time.monotonic() + _ACKED_S
        while time.monotonic() < deadline:
            try:
                produce()
                return
            except Full:
                time.sleep(0.01)
        raise KafkaLoadError(f"Kafka took nothing for {_ACKED_S:.0f} s")

    def _acked(self, ack: Ack) -> None:
        if ack.refused:
            self._wrong.append(ack.refused.value)


def delivery_of(event: Event, webhook: Webhook) -> Delivery:
    """The first turn, due when the event was made."""
    now_ms = event.created_at_ms
    return Delivery(
        id=delivery_id(webhook.id, event.id),
        turn=1,
        webhook=webhook.id,
        webhook_version=webhook.version,
        lane=webhook.lane,
        event=event,
        due_at_ms=now_ms,
        give_up_at_ms=now_ms + _DAY_MS,
        logged_at_ms=now_ms,
    )
