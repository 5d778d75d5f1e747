"""Whether something grows: a line is laid through what was measured, and its rise judged. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

OURS = ("ingest", "router", "deliverer", "retry", "status", "console")
"""Judged. Kafka and PostgreSQL fill the buffers they were given: shown, not judged."""
WARMING = 0.2
"""So much of the run is left out at its beginning."""


class Look(msgspec.Struct, frozen=True):
    """One process at one moment."""

    process: str
    at_s: float
    rss_mb: float
    files: int
    threads: int
    filling: Mapping[str, float] = {}
    """By figure: of it, at most, what has a bound that is known (operations.md, Sizes)."""


class Minute(msgspec.Struct, frozen=True):
    """What was received in one minute, and what waited and was held at its end."""

    at_s: float
    received: int
    p50_ms: float
    p99_ms: float
    unreceived: int
    unlogged: int
    rss_mb: Mapping[str, float] = {}
    """By process."""
    remembered: int = 0
    """Turns that the deliverer remembers."""


class Bound(NamedTuple):
    """A rise within the run that is flat: in the unit itself, or as a share of the mean."""

    least: float
    share: float


BOUNDS = {
    "rss_mb": Bound(16.0, 0.10),
    "files": Bound(10.0, 0.10),
    "threads": Bound(2.0, 0.0),
    "p50_ms": Bound(5.0, 0.5),
    "p99_ms": Bound(20.0, 0.5),
    "unreceived": Bound(200.0, 0.5),
    "unlogged": Bound(2_000.0, 0.5),
}


class Verdict(msgspec.Struct, frozen=True):
    """One figure of one process (or of the whole): its mean, its rise, and whether it is flat."""

    of: str
    figure: str
    mean: float
    rise: float
    """From the beginning of what is looked at to its end, by the line."""
    per_hour: float
    flat: bool
    judged: bool = True
    bounded: float = 0.0
    """Of the rise, what has a bound that is known."""


def judged(looks: Sequence[Look], minutes: Sequence[Minute]) -> list[Verdict]:
    """Each figure of each process, then delays and what waits."""
    found = []
    for process in dict.fromkeys(look.process for look in looks):
        mine = [look for look in looks if look.process == process]
        for figure in ("rss_mb", "files", "threads"):
            points = [(look.at_s, float(getattr(look, figure))) for look in mine]
            filling = [(look.at_s, look.filling.get(figure, 0.0)) for look in mine]
            found.append(verdict(process, figure, points, process in OURS, filling))
    for figure in ("p50_ms", "p99_ms", "unreceived", "unlogged"):
        points = [(minute.at_s, float(getattr(minute, figure))) for minute in minutes]
        found.append(verdict("system", figure, points, True))
    return found


def verdict(
    of: str,
    figure: str,
    points: Sequence[tuple[float, float]],
    judge: bool,
    filling: Sequence[tuple[float, float]] = (),
) -> Verdict:
    """Of one series; its warming up is left out, and `filling`, which comes to an end, allowed."""
    kept = points[int(len(points) * WARMING) :]
    mean = sum(value for _, value in kept) / max(len(kept), 1)
    slope, seconds = slope_of(kept), kept[-1][0] - kept[0][0] if kept else 0.0
    bounded = max(0.0, slope_of(filling[len(points) - len(kept) :]) * seconds)
    rise, bound = slope * seconds, BOUNDS[figure]
    flat = rise - bounded <= max(bound.least, bound.share * mean)
    return Verdict(of, figure, mean, rise, slope * 3600, flat, judge, bounded)


def slope_of(points: Sequence[tuple[float, float]]) -> float:
    """Of the line of least squares; 0 of fewer than two points."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    wide = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / wide if wide else 0.0


def as_text(verdicts: Iterable[Verdict], about: Mapping[str, float]) -> str:
    """A Markdown table, and one line on the whole."""
    told = ", ".join(f"{name} {value:g}" for name, value in about.items())
    lines = [
        told,
        "",
        "| of | figure | mean | rise | of it bounded | per hour | |",
        "|---|---|--:|--:|--:|--:|---|",
    ]
    every = list(verdicts)
    for each in every:
        word = ("flat" if each.flat else "NOT FLAT") if each.judged else "not judged"
        lines.append(
            f"| {each.of} | {each.figure} | {each.mean:.1f} | {each.rise:+.1f} |"
            f" {each.bounded:.1f} | {each.per_hour:+.1f} | {word} |"
        )
    return "\n".join([*lines, "", "all flat" if all_flat(every) else "NOT FLAT"])


def all_flat(verdicts: Iterable[Verdict]) -> bool:
    """Whether nothing that is judged grows."""
    return all(each.flat for each in verdicts if each.judged)
