"""Our metrics: declared as values, and fed in two ways that cost a record next to nothing.

`observe`: plain numbers, kept where things happen, are looked at when metrics are exported.
`durations`: a histogram that costs one bisection a value (the SDK's own costs 7 µs a reader); its
buckets are added to what the SDK has collected.

An instrument's attributes are declared with it and given by position, so that nothing else, such as
a customer's host, webhook or workspace, can become a label: each would be a time series of its own.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from time import time_ns
from typing import Any, Literal, NamedTuple

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ScopeMetrics,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

SCOPE = "hookstream"
GROUP = "messaging.consumer.group.name"
TOPIC = "messaging.destination.name"
PARTITION = "messaging.destination.partition.id"
SYSTEM = "messaging.system"
OPERATION = "messaging.operation.name"
ERROR = "error.type"
STATUS = "http.response.status_code"
METHOD = "http.request.method"
ROUTE = "http.route"

REQUEST_BUCKETS_S = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 15, 30, 60,
)  # fmt: skip
"""OpenTelemetry's for HTTP, and three more: a deadline may be 30 s."""
DELAY_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30, 300, 3600, 86400)

Value = str | int
Look = Callable[[], Iterable[tuple[float, tuple[Value, ...]]]]
"""Numbers as they are now, each with its attributes' values in the declared order."""


class Declared(NamedTuple):
    """One metric: its name, what it counts in which unit, and its only attributes."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    says: str
    attributes: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    """Of a histogram: the upper ends of its buckets."""


def observe(declared: Declared, look: Look) -> None:
    """Show what `look` returns, each time metrics are exported. Once a process for each metric."""

    def seen(_: CallbackOptions) -> Iterable[Observation]:
        for value, values in look():
            yield Observation(value, _named(declared, values))

    meter = metrics.get_meter(SCOPE)
    make = meter.create_observable_gauge
    if declared.kind == "counter":
        make = meter.create_observable_counter  # type: ignore[assignment]
    make(declared.name, [seen], declared.unit, declared.says)


def _named(declared: Declared, values: Sequence[Value]) -> dict[str, Value]:
    """What does not apply is given as an empty text, and left out."""
    named = zip(declared.attributes, values, strict=True)
    return {name: value for name, value in named if value != ""}


def single(number: Callable[[], float]) -> Look:
    """The look of a metric without attributes."""
    return lambda: [(number(), ())]


class Series:
    """The values of one set of attributes. `add` is for one thread at a time."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """One more value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Durations:
    """A histogram: one `Series` for each set of attributes that occurred."""

    def __init__(self, declared: Declared) -> None:
        self.declared = declared
        self._series: dict[tuple[Value, ...], Series] = {}
        self._since_ns = time_ns()

    def of(self, *values: Value) -> Series:
        """The series with these attributes; values in the declared order."""
        found = self._series.get(values)
        if found is None:
            if len(values) != len(self.declared.attributes):
                raise ValueError(f"{self.declared.name} has {self.declared.attributes}")
            found = self._series[values] = Series(self.declared.bounds)
        return found

    def seen(self) -> set[tuple[Value, ...]]:
        """The attributes' values that have occurred."""
        return set(self._series)

    def metric(self, now_ns: int) -> Metric:
        """As the SDK hands histograms to exporters."""
        points = [self._point(v, s, now_ns) for v, s in list(self._series.items())]
        data = Histogram(points, AggregationTemporality.CUMULATIVE)
        return Metric(self.declared.name, self.declared.says, self.declared.unit, data)

    def _point(self, values: tuple[Value, ...], series: Series, now_ns: int) -> HistogramDataPoint:
        counts, unknown = list(series.counts), None
        most: Any = unknown  # neither the least nor the largest value is kept
        return HistogramDataPoint(
            _named(self.declared, values),
            self._since_ns,
            now_ns,
            sum(counts),
            series.sum,
            counts,
            self.declared.bounds,
            most,
            most,
        )


_kept: dict[str, Durations] = {}


def durations(declared: Declared) -> Durations:
    """The histogram of this name: the same one however often it is asked for."""
    return _kept.setdefault(declared.name, Durations(declared))


def with_durations(data: MetricsData) -> MetricsData:
    """What the SDK collected, and our histograms with it."""
    ours = [kept.metric(time_ns()) for kept in list(_kept.values())]
    ours = [metric for metric in ours if metric.data.data_points]
    if not data.resource_metrics or not ours:
        return data
    first, *rest = data.resource_metrics
    scope = ScopeMetrics(InstrumentationScope(SCOPE), ours, "")
    return MetricsData([replace(first, scope_metrics=[*first.scope_metrics, scope]), *rest])
