"""The delay line's tiers: never early, in few hops, whatever the schedule."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookstream.stream.topics import TIERS
from services.retry.tiers import (
    EARLY_MS,
    HOLD_MS,
    TOGETHER_MS,
    UNTIL,
    due_of,
    end_of_wait,
    next_hop,
    together,
)

_YEAR_MS = 366 * 86_400_000


def hops(due_at_ms: int, now_ms: int, late_ms: int = 0) -> list[tuple[str, int]]:
    """The tiers a record goes through, each with the time it leaves it, `late_ms` late."""
    found = []
    while (tier := next_hop(due_at_ms, now_ms)) is not None:
        now_ms += TIERS[tier] + late_ms
        found.append((tier, now_ms))
    return found


@pytest.mark.parametrize(
    ("remaining_ms", "tier"),
    [
        (-1, None),
        (0, None),
        (HOLD_MS, None),
        (HOLD_MS + 1, "retry.2s"),
        (5_999, "retry.2s"),
        (6_000, "retry.5s"),
        (60_999, "retry.20s"),
        (61_000, "retry.1m"),
        (3_600_000, "retry.30m"),
        (3_601_000, "retry.1h"),
        (_YEAR_MS, "retry.10h"),
    ],
)
def test_the_longest_tier_that_is_left_a_second_before(remaining_ms: int, tier: str | None) -> None:
    assert next_hop(1_000_000 + remaining_ms, 1_000_000) == tier


@pytest.mark.parametrize(
    ("delay_s", "first"),
    [
        (6_000, ["retry.1h", "retry.30m"]),
        (50_630, ["retry.10h", "retry.3h"]),
        (7_200, ["retry.1h", "retry.30m"]),
        (18_000, ["retry.3h", "retry.1h"]),
        (36_000, ["retry.3h", "retry.3h"]),
        (39_600, ["retry.10h", "retry.30m"]),
        (50_400, ["retry.10h", "retry.3h"]),
    ],
)
def test_the_longest_waits_in_use_begin_with_these(delay_s: int, first: list[str]) -> None:
    """Of prestavi, prefinery's last, and our own standard."""
    assert [tier for tier, _ in hops(delay_s * 1000, 0, 0)][:2] == first


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, _YEAR_MS), st.integers(0, 2**42), st.integers(0, 900))
def test_no_tier_is_left_after_the_record_is_due(delay_ms: int, now_ms: int, late_ms: int) -> None:
    due_at_ms = now_ms + delay_ms
    for _, left_at_ms in hops(due_at_ms, now_ms, late_ms):
        assert left_at_ms <= due_at_ms - EARLY_MS + late_ms


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, _YEAR_MS), st.sampled_from([2, 10, 100, 1_000]))
def test_a_scaled_clock_takes_the_same_way_in_less_time(delay_ms: int, faster: int) -> None:
    now_ms, scaled = 10**12, delay_ms // faster * faster
    assert next_hop(now_ms + delay_ms // faster, now_ms, 1 / faster) == next_hop(scaled, 0)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.floats(0, 2**41), st.sampled_from([1.0, 0.1, 0.001]))
def test_records_move_on_together_and_never_too_soon(at_ms: float, scale: float) -> None:
    moment = together(at_ms, scale)
    assert at_ms <= moment < at_ms + max(1, TOGETHER_MS * scale) + 1e-3
    assert moment % max(1, int(TOGETHER_MS * scale)) == 0
    assert TOGETHER_MS < EARLY_MS, "no record is late by that"


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, 86_400_000), st.integers(0, 100))
def test_a_day_takes_at_most_eighteen_hops(delay_ms: int, late_ms: int) -> None:
    assert len(hops(delay_ms, 0, late_ms)) <= 18


@pytest.mark.parametrize(
    "delays_s",
    [
        [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400],
        [5, 30, 120, 600],
        [5 + n**4 for n in range(1, 16)],
        [30, 90, 210],
        [10, 30, 120, 600, 1_800],
    ],
    ids=["standard", "growing", "fourth power", "thirds", "half an hour"],
)
def test_the_longest_delays_in_use_take_at_most_fourteen_hops(delays_s: list[int]) -> None:
    assert max(len(hops(delay_s * 1000, 0, 20)) for delay_s in delays_s) <= 14


@pytest.mark.parametrize(
    ("headers", "due"),
    [
        ({"due": b"17", "lane": b"l"}, 17),
        ({"due": b"17"}, None),
        ({"due": b"17", "lane": b""}, None),
        ({"lane": b"l"}, None),
        ({"due": b"soon", "lane": b"l"}, None),
        ({"due": b"1" * 5000, "lane": b"l"}, None),
        ({"due": b"1" * 400, "lane": b"l"}, None),
        ({"due": b"-" + b"1" * 400, "lane": b"l"}, None),
    ],
)
def test_a_record_without_lane_or_due_time_is_no_delivery(
    headers: dict[str, bytes], due: int | None
) -> None:
    assert due_of(headers) == due


def test_what_is_no_moment_waits_as_long_as_its_tier() -> None:
    for until in (b"-" + b"1" * 400, b"1" * 400, b"soon"):
        assert end_of_wait({UNTIL: until}, 1_000, 2_000, 1_500) == 3_000
