"""Watching work go on: how much is done, at what cost, in how much memory."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.counts import WrongCount
from bench.cpu import Spent, between

_LOOK_S = 0.2
_LEAST_SHARE = 0.3


class Sample(NamedTuple):
    """One look."""

    at_s: float
    done: int
    cpu: Spent
    rss_mb: dict[str, float]


class Stretch(NamedTuple):
    """What was done between two looks."""

    records: int
    seconds: float
    cpu: Spent

    @property
    def per_s(self) -> float:
        """Records a second."""
        return self.records / self.seconds if self.seconds > 0 else float("nan")

    def cpu_s_per_1000(self, *names: str) -> float:
        """Of these processes; of all, if none is named."""
        used = sum(self.cpu[name] for name in names or self.cpu)
        return used / self.records * 1000 if self.records else float("nan")


def watched(look: Callable[[], Sample], total: int, within_s: float) -> list[Sample]:
    """Look until `total` is done; `WrongCount` if that takes too long."""
    samples = [look()]
    deadline = time.monotonic() + within_s
    while samples[-1].done < total:
        if time.monotonic() > deadline:
            raise WrongCount(f"{samples[-1].done} of {total} done within {within_s:.0f} s")
        time.sleep(_LOOK_S)
        samples.append(look())
    return samples


def stretch(samples: Sequence[Sample], start: float = 0.0, end: float = 1.0) -> Stretch:
    """Between two shares of what there was to do. Pure.

    `WrongCount` where the first look came when most was done already: nothing is known then.
    """
    total = samples[-1].done
    first = next(s for s in samples if s.done >= start * total)
    last = next(s for s in samples if s.done >= end * total)
    if last.done - first.done < _LEAST_SHARE * (end - start) * total or last.at_s <= first.at_s:
        done = f"{first.done} of {total} were done at the first look"
        raise WrongCount(f"too few to measure ({done}): give a larger --count")
    return Stretch(last.done - first.done, last.at_s - first.at_s, between(first.cpu, last.cpu))


def most_mb(samples: Sequence[Sample], process: str) -> float:
    """The most memory that a process was seen with. Pure."""
    return max((s.rss_mb.get(process, 0.0) for s in samples), default=0.0)
