"""Sends events through both doors: HTTP, one by one and in batches, and a Kafka producer."""

import time
from collections.abc import Callable, Iterator, Sequence

from click import ClickException

from hookstream.model.records import Event
from hookstream.stream.codec import Codec
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import EVENTS
from hookstream.stream.writer import Ack, Writer
from services.cli.api import Api
from services.cli.demo_events import as_posted

BATCH = 20
NDJSON = "application/x-ndjson"
_KAFKA_S = 20.0

Times = dict[str, int]
"""Event id -> when it was sent, nanoseconds since the epoch."""


def send(api: Api, kafka: KafkaSettings, events: Sequence[Event]) -> Times:
    """A quarter one by one, a quarter in batches, half straight into Kafka. All acknowledged."""
    quarter = max(1, len(events) // 4)
    sent: Times = {}
    for event in events[:quarter]:
        sent[event.id] = time.time_ns()
        api.post_raw("/v1/events", as_posted(event))
    for some in _cut(events[quarter : 2 * quarter]):
        sent |= dict.fromkeys((event.id for event in some), time.time_ns())
        _post_batch(api, some)
    return sent | _produce(kafka, events[2 * quarter :])


def _cut(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    return (events[start : start + BATCH] for start in range(0, len(events), BATCH))


def _post_batch(api: Api, events: Sequence[Event]) -> None:
    body = b"\n".join(as_posted(event) for event in events)
    for answer in api.post_raw("/v1/events/batch", body, NDJSON)["events"]:
        if answer["status"] != 202:
            raise ClickException(f"an event of a batch was refused: {answer}")


def _produce(kafka: KafkaSettings, events: Sequence[Event]) -> Times:
    """Publishing is producing: an Avro record on the events topic, keyed by the event's id."""
    refused: list[str] = []
    writer = Writer(kafka, "hookstream-demo", on_fatal=refused.append, timeout_ms=15_000)
    codec, sent = Codec(), {}
    for event in events:
        sent[event.id] = time.time_ns()
        writer.produce(EVENTS, codec.encode(event), _noting(event, refused), key=event.id)
    if not writer.close(_KAFKA_S) or refused:
        raise ClickException(f"Kafka did not take all events: {refused[:3]}")
    return sent


def _noting(event: Event, refused: list[str]) -> Callable[[Ack], None]:
    def answered(ack: Ack) -> None:
        if ack.refused:
            refused.append(f"{event.id}: {ack.refused.value}")

    return answered
