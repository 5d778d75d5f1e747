"""Clocks that step, and clocks that differ: none lost, none early by one's own, no spinning."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import TIERS
from services.retry.tiers import EARLY_MS, UNTIL, end_of_wait, next_hop
from tests.fixtures.kafka import wait_until
from tests.retry.waiting import delivered, hops, put_waiting, retrying

WITHIN_S = 60
_HOUR_MS = 3_600_000
_OFFSETS = st.integers(-2 * _HOUR_MS, 2 * _HOUR_MS)


class Walk:
    """A record's way through the tiers, whose owners' clocks differ; true time is what passes."""

    def __init__(self, due_at_ms: int, read_after_ms: int) -> None:
        self.due_at_ms, self.read_after_ms = due_at_ms, read_after_ms
        self.at_ms = 10**12
        self.waits: list[int] = []
        """How long it was in each tier."""

    def hop(self, put_by_ms: int, read_by_ms: int) -> bool:
        """Through one tier; `…_by_ms`: how far the clock of each process is ahead. False: held."""
        now_ms = self.at_ms + put_by_ms
        tier = next_hop(self.due_at_ms, now_ms)
        if tier is None:
            return False
        headers = {UNTIL: b"%d" % (now_ms + TIERS[tier])}
        read_at_ms = self.at_ms + self.read_after_ms
        # the broker's clock stands still: nobody may ask it
        left_ms = end_of_wait(headers, 0, TIERS[tier], read_at_ms + read_by_ms) - read_by_ms
        left_ms = max(left_ms, read_at_ms)
        self.waits.append(left_ms - self.at_ms)
        assert self.waits[-1] <= TIERS[tier] + self.read_after_ms, "longer than the tier's time"
        self.at_ms = left_ms
        return True


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, 86_400_000), _OFFSETS, st.integers(0, 900))
def test_a_clock_that_differs_from_the_brokers_changes_nothing(
    delay_ms: int, offset_ms: int, read_after_ms: int
) -> None:
    walk = Walk(10**12 + offset_ms + delay_ms, read_after_ms)
    while walk.hop(offset_ms, offset_ms):
        own_ms = walk.at_ms + offset_ms
        assert own_ms <= walk.due_at_ms - EARLY_MS + read_after_ms
        assert len(walk.waits) <= 18, "it spins"


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, 86_400_000), st.lists(_OFFSETS, min_size=1, max_size=20), st.integers(0, 900))
def test_each_step_of_a_clock_costs_a_few_hops_at_most(
    delay_ms: int, steps: list[int], read_after_ms: int
) -> None:
    """A record is put by one clock and read by another, a step later."""
    walk = Walk(10**12 + delay_ms, read_after_ms)
    for before_ms, after_ms in zip([0, *steps], steps, strict=False):
        if not walk.hop(before_ms, after_ms):
            break
    last_ms, stepped = steps[-1], len(walk.waits)
    while walk.hop(last_ms, last_ms):
        assert walk.waits[-1] >= min(TIERS.values()), "it spins"
    assert len(walk.waits) - stepped <= 20


class Clock:
    """Real time and what a test has stepped it by; or a moment at which it stands still."""

    def __init__(self) -> None:
        self.ahead_ms = 0
        self._stands_at_ms: int | None = None

    def __call__(self) -> float:
        at_ms = self._stands_at_ms
        return time.time_ns() / 1e6 + self.ahead_ms if at_ms is None else at_ms

    @contextmanager
    def stepping(self, step_ms: int) -> Iterator[None]:
        """It stands still in the block: nothing becomes due. Then it goes on, a step from there."""
        at_ms = self._stands_at_ms = int(self())
        yield
        self.ahead_ms = at_ms + step_ms - time.time_ns() // 1_000_000
        self._stands_at_ms = None


def test_steps_of_the_clock_while_records_wait(kafka: KafkaSettings) -> None:
    """Far ahead of the broker's; then a step back while some wait; then forward again."""
    clock = Clock()
    clock.ahead_ms = 60_000

    def put(name: str, *waits_ms: int) -> dict[str, int]:
        due = {f"{name}{wait_ms}": int(clock()) + wait_ms for wait_ms in waits_ms}
        put_waiting(kafka, due.items())
        return due

    def own_late_ms(names: dict[str, int]) -> list[int]:
        found = {seen.headers["delivery"].decode(): seen for seen in delivered(kafka)}
        return [found[name].timestamp_ms + clock.ahead_ms - due for name, due in names.items()]

    def came(names: dict[str, int]) -> int:
        return len(names.keys() & {seen.headers["delivery"].decode() for seen in delivered(kafka)})

    def all_came(names: dict[str, int]) -> bool:
        return came(names) == len(names)

    def taken(names: dict[str, int]) -> bool:
        """Held by now; on a machine that stood still for long some may be gone already."""
        return retry.held[0] + came(names) >= len(names)

    with retrying(kafka, clock) as retry:
        ahead = put("ahead", 500, 4_500, 6_500)
        wait_until(lambda: all_came(ahead), WITHIN_S)
        assert min(own_late_ms(ahead)) >= 0
        with clock.stepping(-3_000):
            held = put("held", 2_300, 2_600, 2_900)
            wait_until(lambda: retry.held[0] == len(held), WITHIN_S)
        back = put("back", 4_500)
        wait_until(lambda: all_came(held | back), WITHIN_S)
        assert min(own_late_ms(held | back)) >= 0
        forward = put("forward", 2_900, 9_000, 40_000)
        wait_until(lambda: taken(forward), WITHIN_S)
        clock.ahead_ms += 39_000
        wait_until(lambda: all_came(forward), WITHIN_S)
        assert min(own_late_ms(forward)) >= 0
    ways = hops(kafka)
    assert ways, "all of it waited in memory"
    assert max(len(way) for way in ways.values()) <= 4, "it spins"
    assert len(delivered(kafka)) == 10
