"""Rows as a table for people and as JSON for machines."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from bench.row import Row

HEAD = (
    f"{'row':20} {'events/s':>9} {'CPU s/1000':>10} {'p50 ms':>8} {'p99 ms':>8} {'n':>7} "
    f"{'× floor':>7}"
)
_WIDE = 96
_SPREAD = ("events_per_s", "cpu_s_per_1000", "p99_ms", "floor_ratio")


class NotRows(Exception):
    """A file does not hold what `--json` writes."""


def lines(row: Row) -> list[str]:
    """One row; a dash where it has no such figure. Below it what only this row has."""
    if row.failed:
        return [f"{row.name:20} failed: {row.failed}"]
    cells = [
        _cell(row.events_per_s, 9, 0),
        _cell(row.cpu_s_per_1000, 10, 3),
        _cell(row.p50_ms, 8, 1),
        _cell(row.p99_ms, 8, 1),
        _cell(row.n, 7, 0),
        _cell(row.floor_ratio, 7, 2),
    ]
    by_process = "  ".join(f"{name} {used:.3f}" for name, used in row.cpu.items() if used >= 5e-4)
    first = f"{row.name:20} {' '.join(cells)}   {by_process}".rstrip()
    return [first, *_wrapped(_told(row))]


def save(rows: Iterable[Row], path: Path) -> None:
    """A JSON list, one object a row."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(list(rows)), indent=2) + b"\n")


def load(path: Path) -> list[Row]:
    """What `save` wrote. `NotRows` says what is wrong with the file."""
    try:
        rows = msgspec.json.decode(path.read_bytes(), type=list[Row])
    except OSError as error:
        raise NotRows(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise NotRows(f"{path} is not a list of rows as --json writes it: {error}") from error
    if not rows:
        raise NotRows(f"{path} holds no row")
    return rows


def _told(row: Row) -> list[str]:
    told = [f"{name} {_short(value)}" for name, value in row.figures.items()]
    if row.runs > 1:
        told.append(f"median of {row.runs}")
        told += [_spread(name, row.each[name]) for name in _SPREAD if name in row.each]
    return told


def _spread(name: str, values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{name} {_short(min(known))}…{_short(max(known))}"


def _wrapped(parts: list[str]) -> list[str]:
    found: list[str] = []
    for part in parts:
        if found and len(found[-1]) + len(part) + 3 <= _WIDE:
            found[-1] += f" · {part}"
        else:
            found.append(f"{'':4}{part}")
    return found


def _short(value: float | None) -> str:
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 1000 or value == int(value) else 1 if abs(value) >= 20 else 3
    return f"{value:,.{digits}f}"


def _cell(value: float | None, width: int, digits: int) -> str:
    return f"{'–':>{width}}" if value is None else f"{value:>{width},.{digits}f}"
