"""Metrics: what is added up here reaches both readers, and no attribute comes in unseen."""

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Histogram, InMemoryMetricReader, MetricsData

from hookstream.process import metrics, telemetry
from hookstream.process.metrics import Declared, Durations, durations, observe, with_durations
from hookstream.process.telemetry import TelemetrySettings

WAIT = Declared("test.wait", "histogram", "s", "How long", ("kind", "code"), (0.1, 1, 10))
DONE = Declared("test.done", "counter", "{thing}", "How many", ("kind",))


@pytest.fixture(autouse=True)
def only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    """No histogram of other tests."""
    monkeypatch.setattr(metrics, "_kept", {})


def test_values_fall_into_the_buckets_that_end_with_them() -> None:
    series = Durations(WAIT).of("a", 200)
    for value in (0.05, 0.1, 0.10001, 10, 11):
        series.add(value)
    assert series.counts == [2, 1, 1, 1]
    assert series.sum == pytest.approx(21.25001)


def test_a_histogram_is_shown_at_metrics_like_any_other() -> None:
    made = telemetry.make("test", "1", TelemetrySettings())
    made.meters.get_meter("test").create_counter("another").add(1)
    durations(WAIT).of("a", 200).add(0.5)
    durations(WAIT).of("b", "").add(20)
    lines = made.prometheus().decode().splitlines()
    made.shutdown()
    told = [line for line in lines if line.startswith("test_wait_seconds")]
    one = 'code="200",kind="a",le="1",service_name="hookstream-test"'
    assert any(line.startswith("test_wait_seconds_bucket{" + one) for line in told), told
    assert 'test_wait_seconds_count{code="",kind="b",service_name="hookstream-test"} 1.0' in told
    assert not any("otel_scope" in line for line in lines)


def test_an_attribute_that_was_not_declared_cannot_be_given() -> None:
    with pytest.raises(ValueError, match="kind"):
        Durations(WAIT).of("a", 200, "https://customer.example")


def test_observed_numbers_have_the_attributes_that_were_declared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr("opentelemetry.metrics.get_meter", provider.get_meter)
    observe(DONE, lambda: [(3, ("good",)), (4, ("",))])
    data = reader.get_metrics_data()
    provider.shutdown()
    assert isinstance(data, MetricsData)
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    points = [(dict(p.attributes or {}), p.value) for p in metric.data.data_points]  # type: ignore[union-attr]
    assert points == [({"kind": "good"}, 3), ({}, 4)]


def test_a_histogram_is_added_to_what_the_sdk_collected() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("test").create_counter("another").add(1)
    durations(WAIT).of("a", 200).add(0.5)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert isinstance(data, MetricsData)
    ours = with_durations(data).resource_metrics[0].scope_metrics[-1].metrics[0]
    assert isinstance(ours.data, Histogram)
    (point,) = ours.data.data_points
    assert (ours.name, point.count, list(point.bucket_counts)) == ("test.wait", 1, [0, 1, 0, 0])
