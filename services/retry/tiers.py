"""Which delayed topic a waiting record goes to next, and when. Pure."""

import math
from collections.abc import Mapping

from hookstream.stream.topics import TIERS

HOLD_MS = 3_000
"""What is due within this is held in memory and released on the millisecond."""
EARLY_MS = 1_000
"""A tier is left this much before the record is due, at least: never early, and on time."""
TOGETHER_MS = 100
"""Records move from topic to topic at multiples of this: ten at once cost Kafka little more than
one. Only the last step, to deliveries, is on the millisecond."""
UNTIL = "until"
"""Header of a record in a tier: when it has waited there, milliseconds since the epoch."""
_MOST_MS = 1 << 53
"""Further from 1970 than this is no moment: nobody can reckon with it."""
_LONGEST_FIRST = sorted(TIERS.items(), key=lambda tier: -tier[1])


def next_hop(due_at_ms: int, now_ms: int, scale: float = 1.0) -> str | None:
    """The longest tier that is left in time; None: hold it in memory, it is due soon.

    Below a `scale` of 1 all that is waited for here shrinks alike: tiers and both margins.
    """
    remaining_ms = (due_at_ms - now_ms) / scale
    if remaining_ms <= HOLD_MS:
        return None
    return next(name for name, wait_ms in _LONGEST_FIRST if wait_ms <= remaining_ms - EARLY_MS)


def end_of_wait(headers: Mapping[str, bytes], appended_ms: int, wait_ms: int, now_ms: int) -> int:
    """When a record of a tier that is read at `now_ms` has waited there.

    Whoever put it there has said when, by `UNTIL`: like `due` a moment that is fixed once, so that
    only the clock of the process that holds the record is asked, and the broker's is not. It was
    put before it was read: whatever clock that was by, it need not wait longer than the tier's time
    from now. Without the header (put by an older version) it counts from the broker's time.
    """
    until_ms = _moment(headers.get(UNTIL))
    if until_ms is None:
        until_ms = appended_ms + wait_ms
    return min(until_ms, now_ms + wait_ms)


def together(at_ms: float, scale: float = 1.0) -> int:
    """When a record that may move on at `at` does so, with others."""
    step_ms = max(1, int(TOGETHER_MS * scale))
    return math.ceil(at_ms / step_ms) * step_ms


def due_of(headers: Mapping[str, bytes]) -> int | None:
    """When a record is due, by its headers; None where it is no delivery: it has no lane or due."""
    return _moment(headers.get("due")) if headers.get("lane") else None


def _moment(header: bytes | None) -> int | None:
    try:
        at_ms = int(header or b"")
    except ValueError:
        return None
    return at_ms if -_MOST_MS < at_ms < _MOST_MS else None
