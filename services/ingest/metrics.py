"""Counters of ingest: plain numbers, read when metrics are collected; no cost a request."""

from collections.abc import Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from services.ingest.app import App
from services.ingest.publish import Publisher


def observe(app: App, publisher: Publisher) -> None:
    """Show what `app` and `publisher` count. Once a process."""

    def events(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(publisher.accepted, {"result": "accepted"})
        yield Observation(publisher.unknown, {"result": "unknown"})

    def refused(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(app.refused)

    def closed(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(app.callbacks.closed)

    def waiting(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(len(publisher))

    meter = metrics.get_meter("hookstream.ingest")
    meter.create_observable_counter("hookstream.ingest.events", [events])
    meter.create_observable_counter("hookstream.ingest.refused", [refused])
    meter.create_observable_counter("hookstream.ingest.callbacks", [closed])
    meter.create_observable_gauge("hookstream.ingest.waiting", [waiting])
