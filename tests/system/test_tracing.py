"""Traces and metrics as a collector receives them: the whole way of one event, for real."""

from collections.abc import Iterator
from secrets import token_hex

import pytest

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.postgres import EmbeddedPostgres
from hookstream.model.records import Event
from hookstream.stream.codec import Codec
from hookstream.stream.topics import DELIVERIES, EVENTS, OUTCOMES
from tests.fixtures.kafka import produce, wait_until
from tests.fixtures.receiver import Receiver
from tests.system.collector import Collector, SpanSeen
from tests.system.shared import QUICK, Shared, Tenant, shared

WAY = [
    ("hookstream-ingest", "POST /v1/events"),
    ("hookstream-ingest", "send events"),
    ("hookstream-router", "process events"),
    ("hookstream-router", "send deliveries"),
    ("hookstream-deliverer", "POST"),
    ("hookstream-deliverer", "send outcomes"),
    ("hookstream-status", "process outcomes"),
]
"""Service and name of each span of an event that one webhook takes, each the next one's parent."""
BESIDE = ("hookstream-status", "process events")
"""The log takes the event in as well."""
METRICS = {
    ("hookstream-ingest", "hookstream.ingest.events"),
    ("hookstream-deliverer", "hookstream.turns"),
    ("hookstream-deliverer", "http.client.request.duration"),
    ("hookstream-retry", "hookstream.retry.overdue"),
}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


@pytest.fixture(scope="module")
def running(
    broker: EmbeddedKafka, postgres: EmbeddedPostgres, collector: Collector
) -> Iterator[Shared]:
    settings = {
        "HOOKSTREAM_TELEMETRY_OTLP_ENDPOINT": collector.url,
        "HOOKSTREAM_TELEMETRY_METRICS_EVERY_S": "1",
        "HOOKSTREAM_TELEMETRY_SAMPLE_RATIO": "0",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with shared(broker, postgres, **settings) as system:
        yield system


@pytest.fixture
def tenant(running: Shared) -> Tenant:
    return running.tenant()


def traceparent(flags: str = "01") -> tuple[str, str, str]:
    """A new one, its trace, and the span of the producer that it names."""
    trace, span = token_hex(16), token_hex(8)
    return f"00-{trace}-{span}-{flags}", trace, span


def named(spans: list[SpanSeen], service: str, name: str) -> SpanSeen:
    (found,) = [span for span in spans if (span.service, span.name) == (service, name)]
    return found


def whole(collector: Collector, trace: str, count: int) -> list[SpanSeen]:
    """All spans of the trace, once there are so many."""
    wait_until(lambda: len(collector.of(trace)) >= count)
    return collector.of(trace)


def test_the_whole_way_of_one_event_is_one_trace_each_step_the_parent_of_the_next(
    collector: Collector, tenant: Tenant, receiver: Receiver
) -> None:
    tenant.webhook(receiver.url)
    header, trace, producer = traceparent()
    event = tenant.send("order.paid", traceparent=header)
    spans = whole(collector, trace, len(WAY) + 1)
    assert sorted((s.service, s.name) for s in spans) == sorted([*WAY, BESIDE])
    parent = producer
    for service, name in WAY:
        span = named(spans, service, name)
        assert (span.parent, span.links, span.failed) == (parent, [], False), name
        parent = span.id
    assert named(spans, *BESIDE).parent == named(spans, *WAY[1]).id
    assert {got.id for got in receiver.got} == {event}


def test_spans_say_what_they_did_in_the_words_of_the_semantic_conventions(
    collector: Collector, tenant: Tenant, receiver: Receiver
) -> None:
    tenant.webhook(receiver.url)
    header, trace, _ = traceparent()
    tenant.send("order.paid", traceparent=header)
    spans = whole(collector, trace, len(WAY) + 1)
    server, client, stored = (named(spans, *WAY[at]) for at in (0, 4, 6))
    assert server.kind == 2
    assert server.attributes["http.route"] == "/v1/events"
    assert client.kind == 3
    assert client.attributes["http.request.method"] == "POST"
    assert client.attributes["http.response.status_code"] == 200
    assert stored.kind == 5
    assert stored.attributes["messaging.system"] == "kafka"
    assert stored.attributes["messaging.destination.name"] == OUTCOMES
    assert "127.0.0.1" not in str([span.attributes for span in spans])


def test_the_trace_of_an_event_is_named_by_the_log(
    collector: Collector, tenant: Tenant, receiver: Receiver
) -> None:
    tenant.webhook(receiver.url)
    header, trace, _ = traceparent()
    event = tenant.send("order.paid", traceparent=header)
    (delivery,) = wait_until(lambda: tenant.deliveries(event))
    assert tenant.get(f"/v1/log/events/{event}")["trace_id"] == trace
    (attempt,) = tenant.attempts(delivery["id"])
    assert attempt["trace_id"] == trace


def test_a_delayed_retry_is_a_new_trace_linked_to_the_attempt_before(
    collector: Collector, tenant: Tenant, receiver: Receiver
) -> None:
    receiver.rule = lambda _, before: (500 if before == 0 else 200, {})
    policy = tenant.post("/v1/policies", QUICK)["id"]
    tenant.webhook(receiver.url, policy=policy)
    header, trace, _ = traceparent()
    event = tenant.send("order.paid", traceparent=header)
    first = named(whole(collector, trace, len(WAY) + 1), "hookstream-deliverer", "POST")
    assert first.failed

    def linked() -> list[SpanSeen]:
        found = list(collector.spans)
        return [span for span in found if span.links == [(trace, first.id)]]

    (second,) = wait_until(linked)
    assert second.trace != trace
    assert (second.parent, second.name) == ("", "POST")
    assert second.attributes["http.request.resend_count"] == 1
    spans = whole(collector, second.trace, 3)
    sent, stored = named(spans, *WAY[5]), named(spans, *WAY[6])
    assert (sent.parent, stored.parent) == (second.id, sent.id)
    (delivery,) = tenant.deliveries(event)
    wait_until(lambda: len(tenant.attempts(delivery["id"])) == 2)
    told = [attempt["trace_id"] for attempt in tenant.attempts(delivery["id"])]
    assert told == [trace, second.trace]


def test_an_event_straight_into_kafka_brings_its_trace_along(
    running: Shared, collector: Collector, tenant: Tenant, receiver: Receiver
) -> None:
    """Without a header it is not traced, and is delivered all the same."""
    tenant.webhook(receiver.url)
    before = len(collector.spans)
    event = Event(
        workspace=tenant.workspace, id=token_hex(8), type="a.b", created_at_ms=0, data=b"1"
    )
    produce(running.kafka, EVENTS, (event.id, Codec().encode(event)))
    (delivery,) = wait_until(lambda: tenant.deliveries(event.id))
    header, trace, _ = traceparent()
    tenant.send("a.b", traceparent=header)
    whole(collector, trace, len(WAY) + 1)
    assert {span.trace for span in collector.spans[before:]} == {trace}
    assert tenant.attempts(delivery["id"])[0]["trace_id"] is None


def test_an_unsampled_event_yields_no_span(
    running: Shared, collector: Collector, tenant: Tenant, receiver: Receiver
) -> None:
    tenant.webhook(receiver.url)
    unsampled, trace, _ = traceparent("00")
    events = [tenant.send("a.b", traceparent=unsampled), tenant.send("a.b")]
    wait_until(lambda: {got.id for got in receiver.got} >= set(events))
    wait_until(lambda: all(tenant.deliveries(event) for event in events))
    sampled, seen, _ = traceparent()
    tenant.send("a.b", traceparent=sampled)
    whole(collector, seen, len(WAY) + 1)
    assert collector.of(trace) == []
    headers = {v for r in running.raw(DELIVERIES) for n, v in r.headers if n == "traceparent"}
    assert any(trace.encode() in value for value in headers)
    known = {span.trace for span in collector.spans}
    assert {value[3:35].decode() for value in headers if value.endswith(b"00")} & known == set()


def test_traceparent_goes_out_only_where_a_webhook_asks(
    collector: Collector, tenant: Tenant, receiver: Receiver
) -> None:
    tenant.webhook(f"{receiver.url}/asks", send_traceparent=True)
    tenant.webhook(f"{receiver.url}/silent")
    header, trace, _ = traceparent()
    tenant.send("a.b", traceparent=header)
    wait_until(lambda: len(receiver.got) == 2)
    asks, silent = sorted(receiver.got, key=lambda got: got.path)
    assert "traceparent" not in silent.headers
    _, told, span, flags = asks.headers["traceparent"].split("-")
    assert (told, flags) == (trace, "01")
    wait_until(lambda: span in {s.id for s in collector.of(trace) if s.name == "POST"})


def test_metrics_arrive_too(collector: Collector, tenant: Tenant, receiver: Receiver) -> None:
    tenant.webhook(receiver.url)
    tenant.send("a.b")

    def missing() -> set[tuple[str, str]]:
        seen = dict(collector.metrics)
        return METRICS - {(service, name) for service in seen for name in set(seen[service])}

    wait_until(lambda: not missing())
