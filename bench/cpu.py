"""CPU time of process trees: user and system, children that have ended included."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

Spent = dict[str, float]
"""Seconds by name of the process."""


def spent(pids: Mapping[str, Sequence[int]]) -> Spent:
    """What each tree (its first process first) has used so far."""
    return {name: sum(map(_of, tree)) + _reaped(tree) for name, tree in pids.items()}


def between(before: Spent, after: Spent) -> Spent:
    """What was used from one look to the next."""
    return {name: after[name] - before.get(name, 0.0) for name in after}


def _of(pid: int) -> float:
    with suppress(psutil.NoSuchProcess):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0


def _reaped(tree: Sequence[int]) -> float:
    """Of children that the first process has waited for (PostgreSQL's workers come and go)."""
    if tree:
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(tree[0]).cpu_times()
            return float(times.children_user + times.children_system)
    return 0.0


def resident_mb(pids: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Resident memory of each tree, in megabytes."""
    return {name: sum(map(_resident, tree)) / 1e6 for name, tree in pids.items() if tree}


def _resident(pid: int) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(psutil.Process(pid).memory_info().rss)
    return 0
