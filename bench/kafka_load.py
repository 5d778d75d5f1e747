"""Events and deliveries straight into Kafka."""

import threading
import time
from collections.abc import Callable, Iterator

from msgspec import structs

from hookstream.model.ids import delivery_id, event_key, payload_hash
from hookstream.model.records import Delivery, Event, Webhook
from hookstream.stream.codec import Codec
from hookstream.stream.deliveries import produce_delivery
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import EVENTS
from hookstream.stream.writer import Ack, Full, Writer

_DAY_MS = 86_400_000


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
        if not self._writer.close(60) or self._wrong:
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
        warm = structs.replace(first, id=f"{first.id}-warm", type="nobody.0")
        self._send(warm, lambda _: started.set())
        if not started.wait(30):
            raise KafkaLoadError("Kafka did not take the first record")
        yield first
        yield from made

    def _send(self, event: Event, acked: Callable[[Ack], None]) -> None:
        self._writer.produce(EVENTS, self._codec.encode(event), acked, key=event_key(event))

    def keyed(self, made: Iterator[Event]) -> None:
        """Events whose ids are their keys, for a reader that decodes nothing."""
        for event in made:
            self._writer.produce(EVENTS, self._codec.encode(event), self._acked, key=event.id)

    def deliveries(self, made: Iterator[Event], webhooks: list[Webhook], partitions: int) -> None:
        """First turns, due now, one for each event."""
        for number, event in enumerate(made):
            delivery = _delivery(event, webhooks[number % len(webhooks)])
            hash_ = payload_hash(event)
            self._put(delivery, hash_, partitions)

    def _put(self, delivery: Delivery, hash_: str, partitions: int) -> None:
        while True:
            try:
                produce_delivery(
                    self._writer, self._codec, delivery, hash_, None, partitions, self._acked
                )
                return
            except Full:
                time.sleep(0.01)

    def _acked(self, ack: Ack) -> None:
        if ack.refused:
            self._wrong.append(ack.refused.value)


def _delivery(event: Event, webhook: Webhook) -> Delivery:
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
