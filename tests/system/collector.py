"""An OTLP/HTTP collector: takes what the services export, decodes it, and shows it to tests."""

import gzip
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class SpanSeen(NamedTuple):
    """One span as it was exported; ids in hex."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    links: list[tuple[str, str]]
    """(trace, span) of each."""
    failed: bool
    attributes: dict[str, object]


class Collector:
    """Listens on 127.0.0.1; keeps every request decoded, and its bytes."""

    def __init__(self) -> None:
        self.spans: list[SpanSeen] = []
        self.metrics: dict[str, set[str]] = {}
        """service -> names of its metrics."""
        self.raw: list[bytes] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What HOOKSTREAM_TELEMETRY_OTLP_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def of(self, trace: str) -> list[SpanSeen]:
        """The spans of one trace so far."""
        return [span for span in list(self.spans) if span.trace == trace]

    def take(self, path: str, body: bytes) -> int:
        """Keep one request; the status to answer."""
        self.raw.append(body)
        if path == "/v1/traces":
            self.spans += _spans(ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/metrics":
            for service, name in _metrics(ExportMetricsServiceRequest.FromString(body)):
                self.metrics.setdefault(service, set()).add(name)
        else:
            return 404
        return 200


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            self.send_response(collector.take(self.path, body))
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _spans(request: ExportTraceServiceRequest) -> Iterator[SpanSeen]:
    for resource in request.resource_spans:
        service = str(_attributes(resource.resource.attributes)["service.name"])
        for scope in resource.scope_spans:
            yield from (_span(service, span) for span in scope.spans)


def _span(service: str, span: Span) -> SpanSeen:
    return SpanSeen(
        service,
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        span.status.code == span.status.STATUS_CODE_ERROR,
        _attributes(span.attributes),
    )


def _metrics(request: ExportMetricsServiceRequest) -> Iterator[tuple[str, str]]:
    for resource in request.resource_metrics:
        service = str(_attributes(resource.resource.attributes)["service.name"])
        for scope in resource.scope_metrics:
            yield from ((service, metric.name) for metric in scope.metrics)


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    found: dict[str, object] = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        found[pair.key] = getattr(pair.value, kind) if kind else None
    return found
