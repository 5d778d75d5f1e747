"""Requests that a service answers: how many, how long, with which status, by route."""

from hookstream.process.metrics import (
    METHOD,
    REQUEST_BUCKETS_S,
    ROUTE,
    STATUS,
    Declared,
    Series,
    durations,
)

REQUESTS = Declared(
    "http.server.request.duration",
    "histogram",
    "s",
    "Requests; ingest answers once Kafka has the events",
    (METHOD, ROUTE, STATUS),
    REQUEST_BUCKETS_S,
)
ACTIVE = Declared(
    "http.server.active_requests", "gauge", "{request}", "Under way, of the console", (METHOD,)
)
METRICS = (REQUESTS, ACTIVE)
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def served(method: str, route: str, status: int) -> Series:
    """Where to add one request's seconds. `route`: the template of its path, empty if none fits."""
    return durations(REQUESTS).of(method if method in METHODS else "_OTHER", route, status)
