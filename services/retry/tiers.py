"""Which delayed topic a waiting record goes to next. Pure."""

from collections.abc import Mapping

from hookstream.stream.topics import TIERS

HOLD_MS = 3_000
"""What is due within this is held in memory and released on the millisecond."""
EARLY_MS = 1_000
"""A tier is left this much before the record is due, at least: never early, and on time."""
_LONGEST_FIRST = sorted(TIERS.items(), key=lambda tier: -tier[1])


def next_hop(due_at_ms: int, now_ms: int, scale: float = 1.0) -> str | None:
    """The longest tier that is left in time; None: hold it in memory, it is due soon.

    Below a `scale` of 1 all that is waited for here shrinks alike: tiers and both margins.
    """
    remaining_ms = (due_at_ms - now_ms) / scale
    if remaining_ms <= HOLD_MS:
        return None
    return next(name for name, wait_ms in _LONGEST_FIRST if wait_ms <= remaining_ms - EARLY_MS)


def due_of(headers: Mapping[str, bytes]) -> int | None:
    """When a record is due, by its headers; None where it is no delivery: it has no lane or due."""
    try:
        return int(headers["due"]) if headers["lane"] else None
    except (KeyError, TypeError, ValueError):
        return None
