"""One line of the table, and what is done with several of it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

import msgspec

from services.cli.percentiles import percentile

MAIN = ("events_per_s", "cpu_s_per_1000", "p50_ms", "p99_ms", "floor_ratio")
"""The columns of the table."""


class Row(msgspec.Struct, kw_only=True):
    """One line of the table; null where it has no such figure.

    `cpu`: CPU seconds of 1,000, by process. `figures`: what only this row has. Over several runs
    each figure is the median of its runs, and `each` has the columns of all of them in turn.
    """

    name: str
    events_per_s: float | None = None
    cpu_s_per_1000: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    n: int | None = None
    """How many delays the percentiles are of."""
    floor_ratio: float | None = None
    """Events a second ÷ those of the floor, for rows that do what the floor does."""
    floor_events_per_s: float | None = None
    """The floor measured next to this row."""
    floor_cpu_s_per_1000: float | None = None
    cpu: dict[str, float] = {}
    figures: dict[str, float | None] = {}
    runs: int = 1
    each: dict[str, list[float | None]] = {}
    failed: str | None = None


class Tail(msgspec.Struct, frozen=True):
    """What is said of some delays: None where there are too few to say it."""

    n: int
    p50: float | None
    p99: float | None
    most: float | None
    least: float | None


def tail(delays: Sequence[float]) -> Tail:
    """A percentile needs a value beyond it: p99 of fewer than a hundred would be their maximum."""
    ordered = sorted(delays)
    return Tail(
        n=len(ordered),
        p50=percentile(ordered, 50) if len(ordered) >= 2 else None,
        p99=percentile(ordered, 99) if len(ordered) >= 100 else None,
        most=ordered[-1] if ordered else None,
        least=ordered[0] if ordered else None,
    )


def row_of(name: str, count: int, seconds: float, cpu: Mapping[str, float]) -> Row:
    """`count` events within `seconds`, for which each process spent its part of `cpu` (seconds)."""
    return Row(
        name=name,
        events_per_s=count / seconds if seconds > 0 else None,
        cpu_s_per_1000=sum(cpu.values()) / count * 1000,
        cpu={process: used / count * 1000 for process, used in cpu.items()},
    )


def with_tail(row: Row, delays: Sequence[float]) -> Row:
    """The row with the percentiles of these delays."""
    found = tail(delays)
    row.p50_ms, row.p99_ms, row.n = found.p50, found.p99, found.n
    return row


def ratio(part: float | None, whole: float | None) -> float | None:
    """part ÷ whole; None where one is missing or nothing."""
    return part / whole if part is not None and whole else None


def beside(row: Row, floor: Row | None, *, compared: bool) -> Row:
    """The row with the floor measured next to it. compared: it does what the floor does."""
    if floor is not None and not floor.failed:
        row.floor_events_per_s = floor.events_per_s
        row.floor_cpu_s_per_1000 = floor.cpu_s_per_1000
        row.floor_ratio = ratio(row.events_per_s, floor.events_per_s) if compared else None
    return row


def merged(runs: Sequence[Row]) -> Row:
    """Several runs of one row as one. Those that failed are left out, and told if all did."""
    good = [run for run in runs if not run.failed]
    if not good:
        return runs[0]
    if len(good) == 1:
        return good[0]
    row = Row(name=good[0].name, runs=len(good))
    for field in (*MAIN, "floor_events_per_s", "floor_cpu_s_per_1000"):
        if values := _there(getattr(run, field) for run in good):
            setattr(row, field, median(values))
            row.each[field] = [None if run.failed else getattr(run, field) for run in runs]
    row.n = sum(run.n for run in good if run.n is not None) or None
    row.cpu = {key: median(_there(run.cpu.get(key) for run in good)) for key in _keys(good, "cpu")}
    for key in _keys(good, "figures"):
        values = _there(run.figures.get(key) for run in good)
        row.figures[key] = median(values) if values else None
    return row


def _there(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _keys(runs: Sequence[Row], field: str) -> list[str]:
    """All keys, in the order in which they first appear."""
    return list(dict.fromkeys(key for run in runs for key in getattr(run, field)))
