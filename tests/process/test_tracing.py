"""Tracing: the header decides, and it is passed on whatever happens."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased
from opentelemetry.trace import StatusCode

from hookstream.process import tracing
from hookstream.process.telemetry import Decided
from hookstream.process.tracing import (
    CONSUMER,
    Inert,
    messaging,
    new_traceparent,
    parse,
    root_span,
    sampled,
    span,
)

TRACE, STEP = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
YES, NO = b"00-%b-%b-01" % (TRACE, STEP), b"00-%b-%b-00" % (TRACE, STEP)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """The SDK as `telemetry` sets it up, but for this test only, and kept in memory."""
    seen = InMemorySpanExporter()
    provider = TracerProvider(ParentBased(Decided(0)), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(seen))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    yield seen
    provider.shutdown()


@pytest.mark.parametrize(
    ("header", "asks", "valid"),
    [
        (YES, True, True),
        (NO, False, True),
        (YES[:-2] + b"03", True, True),
        (YES[:-2] + b"02", False, True),
        (b"01" + YES[2:] + b"-more", True, True),
        (YES + b"-more", True, False),
        (b"ff" + YES[2:], True, False),
        (b"00-%b-%b-01" % (b"0" * 32, STEP), True, False),
        (b"00-%b-%b-01" % (TRACE, b"0" * 16), True, False),
        (YES.upper(), True, False),
        (YES[:-1], False, False),
        (b"", False, False),
        (None, False, False),
    ],
)
def test_a_header_is_read_as_w3c_says(header: bytes | None, asks: bool, valid: bool) -> None:
    assert sampled(header) is asks
    assert (parse(header) is not None) is valid


def test_a_new_header_is_sampled_by_ratio() -> None:
    assert all(sampled(new_traceparent(1)) and parse(new_traceparent(1)) for _ in range(100))
    assert not any(sampled(new_traceparent(0)) for _ in range(100))
    assert 300 < sum(sampled(new_traceparent(0.5)) for _ in range(1000)) < 700


@pytest.mark.parametrize("header", [NO, None, b"nonsense"])
def test_what_is_not_sampled_is_passed_on_and_not_recorded(
    header: bytes | None, spans: InMemorySpanExporter
) -> None:
    for make in (span, root_span):
        with make("process deliveries", CONSUMER, header, [YES]) as step:
            step.set("key", "value")
        assert isinstance(step, Inert)
        assert step.traceparent == header
    assert spans.get_finished_spans() == ()


def test_a_sampled_step_is_a_child_and_hands_on_its_own_header(spans: InMemorySpanExporter) -> None:
    about = messaging("process", "process", "deliveries", {"messaging.kafka.offset": 7})
    with span("process deliveries", CONSUMER, YES, [NO, None], about) as step:
        step.set("messaging.message.id", "evt_1")
    (seen,) = spans.get_finished_spans()
    assert seen.name == "process deliveries"
    assert seen.parent is not None
    assert seen.parent.span_id == int(STEP, 16)
    assert seen.context.trace_id == int(TRACE, 16)
    assert step.traceparent == b"00-%b-%016x-01" % (TRACE, seen.context.span_id)
    assert [link.context.trace_id for link in seen.links] == [int(TRACE, 16)]
    assert seen.attributes is not None
    assert seen.attributes["messaging.destination.name"] == "deliveries"
    assert seen.attributes["messaging.message.id"] == "evt_1"


def test_a_delayed_retry_begins_a_trace_of_its_own_sampled_like_the_first(
    spans: InMemorySpanExporter,
) -> None:
    step = root_span("process deliveries", CONSUMER, YES, [YES])
    step.end()
    (seen,) = spans.get_finished_spans()
    assert seen.parent is None
    assert seen.context.trace_id != int(TRACE, 16)
    assert [link.context.span_id for link in seen.links] == [int(STEP, 16)]
    assert sampled(step.traceparent)


def test_an_error_is_told_by_its_type_only(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError), span("process deliveries", CONSUMER, YES):
        raise ValueError("a customer's secret")
    (seen,) = spans.get_finished_spans()
    assert seen.status.status_code is StatusCode.ERROR
    assert seen.attributes == {"error.type": "ValueError"}
    assert "secret" not in seen.to_json()


def test_a_sampled_header_that_is_malformed_begins_a_new_trace(spans: InMemorySpanExporter) -> None:
    malformed = b"00-%b-%b-01" % (b"z" * 32, STEP)
    step = span("process deliveries", CONSUMER, malformed)
    step.end()
    assert parse(step.traceparent) is not None
    assert len(spans.get_finished_spans()) == 1


def test_without_the_sdk_a_sampled_header_is_still_passed_on() -> None:
    tracer = trace.NoOpTracer()
    step = tracing.Live(tracer.start_span("x"), YES)
    assert step.traceparent == YES
