"""Rows as a table for people and as JSON for machines."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from bench.rows import Row

HEAD = f"{'row':20} {'events/s':>9} {'CPU s/1000':>10} {'p50 ms':>7} {'p99 ms':>7} {'× floor':>7}"


def line(row: Row) -> str:
    """One row; a dash where it has no such figure."""
    if row.failed:
        return f"{row.name:20} failed: {row.failed}"
    cells = [
        _cell(row.events_per_s, 9, 0),
        _cell(row.cpu_s_per_1000, 10, 3),
        _cell(row.p50_ms, 7, 1),
        _cell(row.p99_ms, 7, 1),
        _cell(row.floor_ratio, 7, 2),
    ]
    by_process = "  ".join(f"{name} {used:.3f}" for name, used in row.cpu.items() if used >= 5e-4)
    return f"{row.name:20} {' '.join(cells)}   {by_process}"


def save(rows: Iterable[Row], path: Path) -> None:
    """A JSON list, one object a row."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(list(rows)), indent=2) + b"\n")


def _cell(value: float | None, width: int, digits: int) -> str:
    return f"{'–':>{width}}" if value is None else f"{value:>{width},.{digits}f}"
