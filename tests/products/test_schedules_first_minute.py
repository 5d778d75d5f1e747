"""The first minute of each product's schedule at the real clock, all products at once.

Never early, and late by no more than journeys.py says; deadlines as they are promised. The minute
begins before test_schedules.py runs, and has passed when that is done.
"""

import pytest

from tests.products.first_minute import Minute, Seen
from tests.products.journeys import check

pytestmark = pytest.mark.alone

SLOW_MS = 5_000


@pytest.fixture(scope="module")
def minute(minute_begun: Minute) -> dict[str, Seen]:
    """path -> what came within the first minute of one event."""
    return minute_begun.seen()


@pytest.mark.parametrize(
    ("path", "delays_s", "jitter"),
    [
        ("standard", [5], 0.1),
        ("workestra", [5, 30], 0.0),
        ("prestavi", [15, 15], 0.0),
        ("maestra", [30], 0.0),
        ("postpress", [10, 30], 0.0),
        ("prefinery", [6, 21], 0.0),
        ("silent-prefinery", [6], 0.0),
        ("silent-postpress", [10], 0.0),
    ],
)
def test_the_first_delays_are_kept_at_the_real_clock(
    minute: dict[str, Seen], path: str, delays_s: list[int], jitter: float
) -> None:
    """W9, P6, M6, O2, F4."""
    journey, arrived_ms = minute[path]
    waits = journey.waits[: len(delays_s)]
    check(journey._replace(waits=waits), [s * 1000 for s in delays_s], jitter=jitter)
    assert len(arrived_ms) >= len(delays_s) + 1
    for wait, at_ms in zip(waits, arrived_ms[1:], strict=False):
        assert at_ms >= wait.due_at_ms


@pytest.mark.parametrize(
    ("path", "deadline_ms"), [("silent-prefinery", 15_000), ("silent-postpress", 30_000)]
)
def test_f3_o2_who_says_nothing_is_waited_for_until_the_deadline(
    minute: dict[str, Seen], path: str, deadline_ms: int
) -> None:
    first = minute[path].journey.attempts[0]
    assert first.error == "timeout_answer"
    assert deadline_ms <= first.duration_ms <= deadline_ms + SLOW_MS


def test_waits_of_seconds_pass_through_the_tiers(minute: dict[str, Seen]) -> None:
    assert minute["workestra"].journey.tiers[1][0] == "retry.20s"
    assert minute["maestra"].journey.tiers[0][0] == "retry.20s"
    assert minute["postpress"].journey.tiers[1][0] == "retry.20s"
    assert minute["prefinery"].journey.tiers[1][0] == "retry.10s", "21 s, and a second to spare"
