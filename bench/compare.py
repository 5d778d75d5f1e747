"""Two tables against each other, in percent, with and without what the machine itself did. Pure."""

from collections.abc import Iterable, Sequence
from statistics import median

import msgspec

from bench.row import Row, ratio

HEAD = f"{'row':20} {'figure':18} {'old':>10} {'new':>10} {'change':>8} {'÷ floor':>8}   of runs"
_SPEEDS = {
    "events_per_s": "floor_events_per_s",
    "cpu_s_per_1000": "floor_cpu_s_per_1000",
}
"""Figures that follow the machine's speed, and what the floor says of that."""
_DELAYS = ("p50_ms", "p99_ms")


class Difference(msgspec.Struct, frozen=True):
    """One figure of one row. `normalised`: the change beside the change of the floor."""

    row: str
    figure: str
    old: float
    new: float
    change: float | None
    """In percent of the old one."""
    normalised: float | None
    runs: tuple[int, int]


def differences(old: Sequence[Row], new: Sequence[Row]) -> list[Difference]:
    """Of all rows that both have and that did not fail, in the order of the new ones."""
    before, floors = {row.name: row for row in old}, (_floor(old), _floor(new))
    return [
        found
        for row in new
        if (was := before.get(row.name)) is not None and not (was.failed or row.failed)
        for found in _of_row(was, row, floors)
    ]


def alone(old: Sequence[Row], new: Sequence[Row]) -> list[str]:
    """A line for each row that cannot be compared, with why."""
    found = []
    for name in dict.fromkeys(row.name for row in [*old, *new]):
        for which, rows in (("old", old), ("new", new)):
            row = next((row for row in rows if row.name == name), None)
            if row is None:
                found.append(f"{name}: not in the {which} table")
            elif row.failed:
                found.append(f"{name}: failed in the {which} table: {row.failed}")
            else:
                continue
            break
    return found


class Pair(msgspec.Struct, frozen=True):
    """One figure of a row that was measured in turn with another's: round by round, in percent."""

    row: str
    figure: str
    changes: tuple[float, ...]

    @property
    def line(self) -> str:
        """The median, what the rounds lie between, and how many of them say less."""
        less = sum(change < 0 for change in self.changes)
        span = f"{min(self.changes):+.1f}…{max(self.changes):+.1f}%"
        return (
            f"{self.row:20} {self.figure:18} {median(self.changes):>+7.1f}%   {span}   "
            f"less in {less} of {len(self.changes)} rounds"
        )


def pairs(old: Sequence[Row], new: Sequence[Row]) -> list[Pair]:
    """Round by round, for rows that ran in turn. What one round says, the machine may have said;
    what nearly all say, it has not."""
    before, found = {row.name: row for row in old}, []
    for row in new:
        was = before.get(row.name, Row(name=row.name))
        for figure in (*_SPEEDS, *_DELAYS):
            both = zip(was.each.get(figure, []), row.each.get(figure, []), strict=False)
            changes = tuple(c for pair in both if (c := _change(*pair)) is not None)
            if len(changes) > 1:
                found.append(Pair(row.name, figure, changes))
    return found


def lines(found: Iterable[Difference]) -> list[str]:
    """The differences as a table."""
    return [
        f"{d.row:20} {d.figure:18} {d.old:>10,.3f} {d.new:>10,.3f} {_percent(d.change)} "
        f"{_percent(d.normalised)}   {d.runs[0]}, {d.runs[1]}"
        for d in found
    ]


def _of_row(old: Row, new: Row, floors: tuple[Row | None, Row | None]) -> Iterable[Difference]:
    runs = old.runs, new.runs
    for figure in (*_SPEEDS, *_DELAYS):
        was, now = getattr(old, figure), getattr(new, figure)
        if was is None or now is None:
            continue
        normalised = None
        if figure in _SPEEDS and old.name != "floor":
            was_floor, is_floor = _beside(old, floors[0], figure), _beside(new, floors[1], figure)
            normalised = _change(ratio(was, was_floor), ratio(now, is_floor))
        yield Difference(old.name, figure, was, now, _change(was, now), normalised, runs)
    for figure, now in new.figures.items():
        was = old.figures.get(figure)
        if was is not None and now is not None:
            yield Difference(old.name, figure, was, now, _change(was, now), None, runs)


def _beside(row: Row, floor: Row | None, figure: str) -> float | None:
    """The floor measured next to the row, else the table's own."""
    own: float | None = getattr(row, _SPEEDS[figure])
    if own is not None:
        return own
    other: float | None = getattr(floor, figure) if floor is not None else None
    return other


def _floor(rows: Sequence[Row]) -> Row | None:
    return next((row for row in rows if row.name == "floor" and not row.failed), None)


def _change(old: float | None, new: float | None) -> float | None:
    if old is None or new is None or old == 0:
        return None
    return (new / old - 1) * 100


def _percent(value: float | None) -> str:
    return f"{'–':>8}" if value is None else f"{value:>+7.1f}%"
