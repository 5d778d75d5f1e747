"""Telemetry: no customer's host becomes a label, and a collector that is gone costs nothing."""

import socket
from time import monotonic

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest

from hookstream.process import telemetry
from hookstream.process.telemetry import TelemetrySettings


def test_customers_hosts_are_dropped_and_long_requests_have_buckets() -> None:
    registry = CollectorRegistry()
    provider = MeterProvider(
        [PrometheusMetricReader(registry=registry)], shutdown_on_exit=False, views=telemetry.views()
    )
    requests = provider.get_meter("test").create_histogram("http.client.request.duration", "s")
    for host in ("a.example", "b.example"):
        requests.record(
            20, {"server.address": host, "http.request.method": "POST", "error.type": "timeout"}
        )
    text = generate_latest(registry).decode()
    provider.shutdown()
    assert "example" not in text
    assert 'error_type="timeout"' in text
    (bucket,) = [line for line in text.splitlines() if 'le="30' in line]
    assert bucket.endswith(" 2.0")


def test_a_collector_that_never_answers_holds_up_the_shutdown_for_three_seconds_at_most() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings = TelemetrySettings(otlp_endpoint=f"http://127.0.0.1:{port}/", sample_ratio=1)
        made = telemetry.make("test", "1", settings)
        with made.traces.get_tracer("test").start_as_current_span("a step"):
            made.meters.get_meter("test").create_counter("webhook.delivery.attempts").add(1)
        assert b"webhook_delivery_attempts_total" in made.prometheus()
        began = monotonic()
        made.shutdown(within_s=1)
        assert monotonic() - began < 5  # liveness, at five times
