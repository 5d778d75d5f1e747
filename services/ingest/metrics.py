"""Counters of ingest: plain numbers, read when metrics are collected; next to no cost a request."""

from collections.abc import Iterable

from hookstream.process.metrics import Declared, Value, observe, single
from services.ingest.app import App
from services.ingest.callbacks_to_outcomes import CallbacksToOutcomes
from services.ingest.publish import Publisher

EVENTS = Declared(
    "hookstream.ingest.events",
    "counter",
    "{event}",
    "Events: accepted (Kafka has it), unknown (Kafka did not answer in time)",
    ("hookstream.result",),
)
REFUSED = Declared("hookstream.ingest.refused", "counter", "{request}", "Answered with a problem")
CALLBACKS = Declared("hookstream.ingest.callbacks", "counter", "{request}", "Deliveries closed")
WAITING = Declared("hookstream.ingest.waiting", "gauge", "{event}", "Wait for Kafka")
WAITING_MOST = Declared("hookstream.ingest.waiting.limit", "gauge", "{event}", "How many may wait")
METRICS = (EVENTS, REFUSED, CALLBACKS, WAITING, WAITING_MOST)


def watch(app: App, publisher: Publisher, callbacks: CallbacksToOutcomes) -> None:
    """Show what these count. Once a process."""

    def events() -> Iterable[tuple[float, tuple[Value, ...]]]:
        return [(publisher.accepted, ("accepted",)), (publisher.unknown, ("unknown",))]

    observe(EVENTS, events)
    observe(REFUSED, single(lambda: app.refused))
    observe(CALLBACKS, single(lambda: callbacks.closed))
    observe(WAITING, single(lambda: len(publisher)))
    observe(WAITING_MOST, single(lambda: publisher.most_waiting))
