"""Spans by the OpenTelemetry API, at next to no cost for what is not sampled.

Whether a record is traced was decided where it entered: its `traceparent` (W3C, bytes as in a Kafka
header) says so in one character. Only then is a real span made; else the handle is inert and passes
the header on. Names follow OpenTelemetry's semantic conventions for messaging.
"""

import re
from collections.abc import Mapping, Sequence
from random import getrandbits
from types import TracebackType
from typing import Protocol, Self

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

LENGTH = 55
FLAG = 54
ODD = frozenset(b"13579bdf")
FORM = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
LOW_64 = (1 << 64) - 1
DECIDED = otel_context.create_key("hookstream-sampled")
NO_PARENT = otel_context.set_value(DECIDED, True, otel_context.Context())

CLIENT, CONSUMER, INTERNAL = SpanKind.CLIENT, SpanKind.CONSUMER, SpanKind.INTERNAL
PRODUCER, SERVER = SpanKind.PRODUCER, SpanKind.SERVER
Attributes = Mapping[str, AttributeValue]

_tracer = trace.get_tracer("hookstream")


class Span(Protocol):
    """What a step does, from its making to `end`; as a context manager it ends itself."""

    @property
    def traceparent(self) -> bytes | None:
        """What to send along with what follows from this step."""

    @property
    def recording(self) -> bool:
        """Whether anybody will see it: build costly attributes only then."""

    def set(self, name: str, value: AttributeValue) -> None:
        """Set one attribute."""

    def end(self, error: BaseException | str | None = None) -> None:
        """End it; an error is its `error.type`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Inert:
    """A span of what is not sampled."""

    __slots__ = ("traceparent",)
    recording = False

    def __init__(self, traceparent: bytes | None) -> None:
        self.traceparent = traceparent

    def set(self, name: str, value: AttributeValue) -> None:
        """Nothing."""

    def end(self, error: BaseException | str | None = None) -> None:
        """Nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Live:
    """A span that is recorded."""

    __slots__ = ("_span", "traceparent")
    recording = True

    def __init__(self, span: trace.Span, incoming: bytes | None) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = _format(context) if context.is_valid else incoming

    def set(self, name: str, value: AttributeValue) -> None:
        """Set one attribute."""
        self._span.set_attribute(name, value)

    def end(self, error: BaseException | str | None = None) -> None:
        """End it; an error is its `error.type`, never its text: that may hold a customer's data."""
        if error is not None:
            kind = error if isinstance(error, str) else type(error).__name__
            self._span.set_attribute("error.type", kind)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.end(error)


def sampled(traceparent: bytes | None) -> bool:
    """Whether the header asks for spans; a malformed one does not."""
    return traceparent is not None and len(traceparent) >= LENGTH and traceparent[FLAG] in ODD


def parse(traceparent: bytes | None) -> SpanContext | None:
    """The remote span that the header names; None if it is malformed or names none."""
    found = FORM.fullmatch(traceparent or b"")
    if traceparent is None or found is None or (traceparent[:2] == b"00" and len(traceparent) > 55):
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return context if context.is_valid else None


def new_traceparent(ratio: float) -> bytes:
    """A header for an event that came without one; of these, `ratio` (0 to 1) are sampled."""
    trace_id = getrandbits(128) or 1
    flag = b"01" if trace_id & LOW_64 < ratio * (1 << 64) else b"00"
    return b"00-%032x-%016x-%b" % (trace_id, getrandbits(64) or 1, flag)


def span(
    name: str,
    kind: SpanKind,
    traceparent: bytes | None,
    links: Sequence[bytes | None] = (),
    attributes: Attributes | None = None,
) -> Span:
    """A step within the trace of what caused it; links are headers of other steps."""
    if not sampled(traceparent):
        return Inert(traceparent)
    return _live(name, kind, traceparent, parse(traceparent), links, attributes)


def root_span(
    name: str,
    kind: SpanKind,
    traceparent: bytes | None,
    links: Sequence[bytes | None] = (),
    attributes: Attributes | None = None,
) -> Span:
    """A step that begins a new trace: an entry, or a retry hours later. Sampled as the header is.

    The header's own trace is only a link, and only if it is among `links`.
    """
    if not sampled(traceparent):
        return Inert(traceparent)
    return _live(name, kind, traceparent, None, links, attributes)


def messaging(
    operation: str, kind: str, topic: str, attributes: Attributes | None = None
) -> dict[str, AttributeValue]:
    """Attributes of a step on Kafka: operation such as `poll`, kind such as `receive`."""
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
        "messaging.destination.name": topic,
        **(attributes or {}),
    }


def _live(
    name: str,
    kind: SpanKind,
    incoming: bytes | None,
    parent: SpanContext | None,
    links: Sequence[bytes | None],
    attributes: Attributes | None,
) -> Span:
    context = NO_PARENT
    if parent is not None:
        context = trace.set_span_in_context(trace.NonRecordingSpan(parent), context)
    known = [Link(linked) for header in links if (linked := parse(header)) is not None]
    made = _tracer.start_span(name, context, kind, attributes, known)
    return Live(made, incoming)


def _format(context: SpanContext) -> bytes:
    flags = int(context.trace_flags)
    return b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, flags)
