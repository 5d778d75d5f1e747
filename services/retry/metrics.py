"""What retry tells: how late it is, and what it holds in memory."""

from collections.abc import Callable

from hookstream.process.metrics import DELAY_BUCKETS_S, Declared, durations, observe, single
from services.retry.tiers_to_deliveries import Retry

LATENESS = Declared(
    "hookstream.retry.lateness",
    "histogram",
    "s",
    "From when a turn was due to its release",
    bounds=DELAY_BUCKETS_S,
)
OVERDUE = Declared(
    "hookstream.retry.overdue", "gauge", "s", "How late the first waiting record is; 0: none is"
)
HELD = Declared("hookstream.retry.held", "gauge", "{message}", "Records that wait in memory")
HELD_BYTES = Declared("hookstream.retry.held.size", "gauge", "By", "What they take up")
METRICS = (LATENESS, OVERDUE, HELD, HELD_BYTES)


def late() -> Callable[[float], None]:
    """To be told by how many seconds each release was late."""
    return durations(LATENESS).of().add


def watch(retry: Retry) -> None:
    """Show them. Once a process."""
    observe(OVERDUE, single(lambda: retry.line.overdue_ms() / 1000))
    observe(HELD, single(lambda: retry.held[0]))
    observe(HELD_BYTES, single(lambda: retry.held[1]))
