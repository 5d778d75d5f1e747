"""A lane's rate: never exceeded, used where there is a backlog, right after edits (M2)."""

from bisect import bisect_left
from collections.abc import Sequence
from math import ceil
from typing import Any

import pytest
from msgspec.structs import replace

from hookstream.model.shards import lane_of
from services.deliverer.admit import Defer, Go, Rekey, Wait
from services.deliverer.endpoint import CATCH_UP_MS, KEPT_BELOW_RATE, Turn
from services.deliverer.known import IDLE_MS
from services.deliverer.lanes import Lanes
from tests.deliverer.test_lanes import MB, START, World, ok
from tests.unit.values import a_delivery, a_webhook, an_event

pytestmark = pytest.mark.alone


def a_turn(webhook: str = "wh_1", since_ms: int = 0, number: int = 0, **changes: Any) -> Turn:
    hook = a_webhook(**{"id": webhook, "lane": "int_1", "rate_per_s": 10.0, **changes})
    event = an_event(id=f"evt_{number}")
    delivery = a_delivery(
        id=f"del_{number}", webhook=webhook, event=event, lane=lane_of(hook, event)
    )
    return Turn(hook, delivery, 1000, None, since_ms)


def most_within(sent: Sequence[float], window_ms: float) -> int:
    """The most requests in any window of that length."""
    return max(bisect_left(sent, at + window_ms) - n for n, at in enumerate(sent))


@pytest.mark.parametrize("rate", [2.5, 10.0, 50.0, 300.0, 1000.0])
def test_m2_a_rate_is_never_exceeded_and_is_used_to_the_full(rate: float) -> None:
    """Ten webhooks of one lane; also where an interval is no whole number of milliseconds."""
    names = [f"wh_{n}" for n in range(10)]
    world = World(Lanes(2000, 64 * MB), dict.fromkeys(names, 5))
    count = int(max(60, rate * 8))
    for n in range(count):
        world.at(START + n % 100, "due", a_turn(names[n % 10], number=n, rate_per_s=rate))
    world.run(START + 40_000)
    sent = sorted(at for name in names for at in world.sent[name])
    assert len(sent) == count
    for seconds in (1, 2, 4):
        assert most_within(sent, 1000 * seconds) <= ceil(rate * seconds)
    used = (len(sent) - 1) / (sent[-1] - sent[0]) * 1000
    assert used >= 0.95 * rate
    assert sum(world.deferrals.values()) <= 2.5 * count


def test_m2_a_request_that_was_late_delays_those_behind_it_by_what_cannot_be_made_up() -> None:
    lanes = Lanes(100, MB)
    turns = [a_turn(f"wh_{n}", number=n) for n in range(4)]
    assert lanes.submit(turns[0], START) == Go()
    interval = 1000 / (10 * KEPT_BELOW_RATE)
    for turn in turns[1:]:
        assert lanes.submit(turn, START) == Wait()
    first = START - CATCH_UP_MS + interval
    assert lanes.next_wake_ms == pytest.approx(first)
    assert lanes.tick(int(first) + 4) == [(turns[1], Go())]
    assert lanes.next_wake_ms == pytest.approx(first + interval)
    late = int(first + interval) + 40
    assert lanes.tick(late) == [(turns[2], Go())]
    assert lanes.next_wake_ms == pytest.approx(late - CATCH_UP_MS + interval)


def test_m2_a_lane_just_taken_over_waits_a_second_each_time() -> None:
    lanes = Lanes(100, MB)
    for since_ms in (START, START + 60_000):
        turn = a_turn(since_ms=since_ms, number=since_ms)
        assert lanes.submit(turn, since_ms + 100) == Wait()
        assert lanes.next_wake_ms == since_ms + 1000
        assert lanes.tick(since_ms + 1000) == [(turn, Go())]
        assert lanes.submit(a_turn("free", lane="free", rate_per_s=None), since_ms) == Go()
    turn = a_turn(lane="slow", rate_per_s=0.1, since_ms=START)
    assert isinstance(lanes.submit(turn, START + 5000), Defer), "its interval is ten seconds"


def test_m2_an_edit_of_the_rate_takes_effect_at_once() -> None:
    lanes = Lanes(100, MB)
    assert lanes.submit(a_turn(number=1), START) == Go()
    waiting = a_turn(number=2)
    assert lanes.submit(waiting, START) == Wait()
    assert lanes.submit(a_turn("wh_2", number=3, rate_per_s=100.0), START) == Wait()
    wake = lanes.next_wake_ms
    assert wake is not None
    assert wake < START + 11
    assert [turn for turn, _ in lanes.tick(int(wake) + 1)] == [waiting]
    lanes.submit(a_turn("wh_3", number=4, rate_per_s=0.1), START + 20)
    assert lanes.tick(START + 900) == []


def test_m2_what_was_booked_at_the_old_rate_does_not_hold_up_a_faster_lane() -> None:
    lanes = Lanes(100, MB)
    plans = [lanes.submit(a_turn(number=n, rate_per_s=1.0), START) for n in range(20)]
    assert isinstance(plans[-1], Defer)
    assert plans[-1].until_ms > START + 15_000
    assert lanes.submit(a_turn(number=30, rate_per_s=50.0), START + 10) == Wait()


def test_m2_a_test_is_counted_but_does_not_queue_behind_what_was_booked() -> None:
    lanes = Lanes(100, MB)
    for number in range(100):
        last = lanes.submit(a_turn(number=number), START)
    assert isinstance(last, Defer)
    trial = a_turn("wh_2", number=101)
    trial.delivery = replace(trial.delivery, kind="test")
    assert lanes.submit(trial, START) == Wait()
    wakes = []
    while not trial.is_open:
        wake = lanes.next_wake_ms
        assert wake is not None
        wakes.append(wake)
        lanes.tick(int(wake) + 1)
    assert START + 2 * 95 <= wakes[-1] <= START + 1000


def test_lanes_left_by_edits_are_forgotten() -> None:
    lanes = Lanes(100, MB)
    for n in range(100):
        turn = a_turn(lane=f"lane_{n}", number=n)
        lanes.submit(turn, START + n)
        lanes.finished(turn, ok(), START + n)
    lanes.tick(START + 1000)
    assert lanes._known.lanes == 1


def test_a_lane_is_remembered_until_a_new_one_would_keep_its_rate() -> None:
    lanes = Lanes(100, MB)
    turn = a_turn(rate_per_s=0.001)
    assert lanes.submit(turn, START) == Go()
    lanes.finished(turn, ok(), START)
    lanes.tick(START + IDLE_MS + 1)
    assert len(lanes) == 0
    later = a_turn(number=2, rate_per_s=0.001)
    assert isinstance(lanes.submit(later, START + IDLE_MS + 2), Defer)
    lanes.tick(START + 3 * IDLE_MS)
    assert lanes._known.lanes == 0


def test_each_shard_has_its_part_of_the_rate_and_of_the_requests_in_flight() -> None:
    lanes = Lanes(2000, 64 * MB)
    sharded: dict[str, Any] = {"shards": 4, "rate_per_s": None, "max_in_flight": 8}
    turns = [a_turn(number=n, **sharded) for n in range(200)]
    for turn in turns:
        lanes.submit(turn, START)
    while going := [turn for turn in turns if turn.is_open]:
        assert len(going) <= 8
        for turn in going:
            lanes.finished(turn, ok(), START)
    world = World(Lanes(2000, 64 * MB), {"wh_1": 5})
    for n in range(400):
        world.at(START, "due", a_turn(number=n, shards=4, rate_per_s=100.0))
    world.run(START + 20_000)
    sent = sorted(world.sent["wh_1"])
    assert len(sent) == 400
    assert most_within(sent, 1000) <= 100 + 4
    assert sent[-1] - sent[0] <= 4000 / 0.8, "events are not spread evenly"


def test_an_edit_of_shards_moves_what_is_on_its_way() -> None:
    turn = a_turn(number=7)
    hook = a_webhook(id="wh_1", lane="int_1", shards=3)
    moved = Turn(hook, turn.delivery, 1000)
    plan = Lanes(8, MB).submit(moved, START)
    assert plan == Rekey(lane_of(hook, turn.delivery.event))
