"""OpenTelemetry's SDK, set up once a process: to a collector, and metrics at /metrics too.

A collector that is slow or gone costs the service nothing but the telemetry: queues are bounded,
sending is on threads of its own, and the shutdown is over after three seconds, whatever happens.
"""

from collections.abc import Callable, Sequence
from threading import Thread
from time import monotonic
from typing import Any, ClassVar
from uuid import uuid4

from opentelemetry import context as otel_context
from opentelemetry import metrics, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import BaseModel, ConfigDict, Field

from hookstream.process.metrics import REQUEST_BUCKETS_S, with_durations
from hookstream.process.served import ACTIVE, REQUESTS
from hookstream.process.tracing import DECIDED

SHUTDOWN_S = 3.0
SEND_S = 5.0
MOST_SPANS = 4096
# Customers' hosts, URLs and webhooks are never labels: each would be a time series of its own.
HTTP_ATTRIBUTES = {
    "http.request.method",
    "http.response.status_code",
    "error.type",
}


class TelemetrySettings(BaseModel):
    """Where telemetry goes, and how much of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    section: ClassVar[str] = "telemetry"

    otlp_endpoint: str | None = Field(
        None, pattern="^https?://", description="an OTLP/HTTP collector, http://host:4318"
    )
    sample_ratio: float = Field(
        0.01, ge=0, le=1, description="the part of events that is traced, 0 to 1"
    )
    metrics_every_s: float = Field(15, gt=0, description="seconds between metrics to the collector")


class Telemetry:
    """The providers of this process."""

    def __init__(self, traces: TracerProvider, meters: MeterProvider, pages: CollectorRegistry):
        self.traces = traces
        self.meters = meters
        self._pages = pages

    def prometheus(self) -> bytes:
        """All metrics in Prometheus' text form."""
        return generate_latest(self._pages)

    def shutdown(self, within_s: float = SHUTDOWN_S) -> None:
        """Send what is queued, for as long as this at most."""
        steps: list[Callable[[], None]] = [self.traces.shutdown, self.meters.shutdown]
        threads = [Thread(target=step, name="telemetry-shutdown", daemon=True) for step in steps]
        deadline = monotonic() + within_s
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()))


class Decided(Sampler):
    """Samples a new trace if we decided so before (`tracing.root_span`), else by ratio."""

    def __init__(self, ratio: float) -> None:
        self._ratio = TraceIdRatioBased(ratio)

    def should_sample(
        self,
        parent_context: otel_context.Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Whether to record a span that has no parent."""
        if otel_context.get_value(DECIDED, parent_context):
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, trace_state)
        return self._ratio.should_sample(parent_context, trace_id, name, kind, attributes, links)

    def get_description(self) -> str:
        """For the SDK's own logs."""
        return f"Decided({self._ratio.get_description()})"


class Unsaid(SpanProcessor):
    """Takes out of spans what callers wrote into URLs: FastAPI notes path and query by itself, and
    a link into the console has its secret there. `http.route` says which page it was."""

    def on_start(self, span: Span, parent_context: otel_context.Context | None = None) -> None:
        """Before anything is exported."""
        del parent_context
        for name in ("url.path", "url.query", "url.full"):
            if span.attributes and name in span.attributes:
                span.set_attribute(name, "…")


def set_up(service: str, version: str, settings: TelemetrySettings) -> Telemetry:
    """Make the providers of this process, for all of it. To be called once."""
    made = make(service, version, settings)
    metrics.set_meter_provider(made.meters)
    trace.set_tracer_provider(made.traces)
    return made


def make(service: str, version: str, settings: TelemetrySettings) -> Telemetry:
    """Providers that nobody else knows of yet."""
    resource = Resource.create(
        {
            "service.name": f"hookstream-{service}",
            "service.version": version,
            "service.instance.id": str(uuid4()),
        }
    )
    endpoint = settings.otlp_endpoint.rstrip("/") if settings.otlp_endpoint else None
    pages = CollectorRegistry()
    readers: list[MetricReader] = [_Page(pages)]
    if endpoint:
        readers.append(_pushing(endpoint, settings.metrics_every_s))
    meters = MeterProvider(readers, resource, shutdown_on_exit=False, views=views())
    traces = TracerProvider(
        ParentBased(Decided(settings.sample_ratio)), resource, shutdown_on_exit=False
    )
    if endpoint:
        # late: most have no collector, and these take a tenth of a second to load
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        traces.add_span_processor(Unsaid())
        exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=SEND_S)
        traces.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=MOST_SPANS))
    return Telemetry(traces, meters, pages)


class _Page(PrometheusMetricReader):
    """What /metrics shows: the SDK's metrics and our histograms, each with its service's name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(
            registry=registry,
            scope_info_enabled=False,
            resource_attribute_filter=lambda name: name == "service.name",
        )

    def _receive_metrics(self, metrics_data: MetricsData, *args: Any, **kwargs: Any) -> None:
        super()._receive_metrics(with_durations(metrics_data), *args, **kwargs)


class _Pushing(PeriodicExportingMetricReader):
    """The same to a collector, every few seconds."""

    def _receive_metrics(self, metrics_data: MetricsData, *args: Any, **kwargs: Any) -> None:
        super()._receive_metrics(with_durations(metrics_data), *args, **kwargs)


def _pushing(endpoint: str, every_s: float) -> MetricReader:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    exporter = OTLPMetricExporter(f"{endpoint}/v1/metrics", timeout=SEND_S)
    return _Pushing(exporter, every_s * 1000)


def views() -> list[View]:
    """Buckets and the attributes that are kept, by the instrument's name."""
    return [
        View(
            instrument_name="http.client.request.duration",
            attribute_keys=HTTP_ATTRIBUTES,
            aggregation=ExplicitBucketHistogramAggregation(REQUEST_BUCKETS_S),
        ),
        View(  # FastAPI has these by itself
            instrument_name="http.server.request.duration",
            attribute_keys=set(REQUESTS.attributes),
            aggregation=ExplicitBucketHistogramAggregation(REQUEST_BUCKETS_S),
        ),
        View(instrument_name="http.server.active_requests", attribute_keys=set(ACTIVE.attributes)),
    ]
