"""One receiver cannot slow another (invariant 3): thousands of webhooks on a simulated clock."""

import random
from bisect import bisect_left
from collections import deque
from math import log

import pytest
from msgspec.structs import replace

from hookstream.model.records import Webhook
from services.deliverer.admit import Defer, Go, Plan
from services.deliverer.answer import Answer
from services.deliverer.endpoint import Turn
from services.deliverer.lanes import ALWAYS, Lanes, turn_of
from services.deliverer.shares import SLOW, SUSPECT, UNPROVEN
from tests.unit.simulated import MB, START, Behaviour, Simulated, hangs, hooks, takes
from tests.unit.values import a_delivery

QUICK_MS = 20


def answered(world: Simulated, webhooks: list[Webhook]) -> int:
    return sum(world.answered[w.id] for w in webhooks)


def deferrals(world: Simulated, webhooks: list[Webhook]) -> int:
    return sum(world.deferrals[w.id] for w in webhooks)


def latest_ms(world: Simulated, webhooks: list[Webhook]) -> int:
    return max(world.late_ms[w.id] for w in webhooks)


def falling_silent(at_ms: int) -> Behaviour:
    return lambda now: hangs(now) if now >= at_ms else (QUICK_MS, 200, None)


def asking(now_ms: int) -> tuple[int, int | None, str | None]:
    """Overloaded half of the time, and says for how long."""
    return (5, 429, "3") if now_ms // 4000 % 2 else (5, 200, None)


def flapping(now_ms: int) -> tuple[int, int | None, str | None]:
    return hangs(now_ms) if now_ms // 5000 % 2 else (QUICK_MS, 200, None)


def every(world: Simulated, webhooks: list[Webhook], ms: int, until_ms: int, start: int = 0) -> int:
    """A delivery for each, every `ms`, evenly spread; how many."""
    for n, webhook in enumerate(webhooks):
        world.load(webhook, range(start + n % ms, until_ms, ms))
    return sum(len(range(start + n % ms, until_ms, ms)) for n in range(len(webhooks)))


@pytest.mark.parametrize("burst", [0, 6])
def test_one_receiver_cannot_slow_another_when_a_third_of_1000_fall_silent_at_once(
    burst: int,
) -> None:
    """With a burst for all 1,000 in that very moment, too: then nobody knows of the silence."""
    webhooks = hooks("wh", 1000)
    silent, healthy = webhooks[::3], [w for n, w in enumerate(webhooks) if n % 3]
    behaviours = {w.id: takes(QUICK_MS) for w in healthy}
    world = Simulated(behaviours | {w.id: falling_silent(2000) for w in silent})
    every(world, silent, 400, 6000)
    count = every(world, healthy, 400, 6000)
    for webhook in webhooks:
        world.load(webhook, [2000] * burst)
    world.run(6200)
    assert deferrals(world, healthy) == 0
    assert answered(world, healthy) == count + burst * len(healthy)
    assert world.full_ms == 0
    assert deferrals(world, silent) > 0
    assert latest_ms(world, healthy) <= (QUICK_MS if not burst else 1500)


def test_one_receiver_cannot_slow_another_by_answering_slowly() -> None:
    """150 that take between 0.8 and 14 s, with more to send than they ever can, and 60 quick."""
    rnd = random.Random(1)
    slow, quick = hooks("slow", 150), hooks("quick", 60)
    behaviours = {w.id: takes(rnd.randint(800, 14_000)) for w in slow}
    world = Simulated(behaviours | {w.id: takes(QUICK_MS) for w in quick}, slots=800)
    every(world, slow, 200, 8000)
    count = every(world, quick, 100, 8000)
    world.run(8100)
    assert deferrals(world, quick) == 0
    assert answered(world, quick) == count
    assert world.full_ms == 0
    assert sum(world.lanes.shares.held[: SLOW + 1]) <= 600
    assert world.lanes.shares.held[SLOW] >= 400, "what is theirs, they use"
    assert world.most_waiting <= 400 + ALWAYS * len(quick)


def test_slow_ones_alone_are_sent_to_at_their_own_pace() -> None:
    """One takes as much as its ceiling allows; of eight, each gets the same."""
    [alone] = hooks("alone", 1)
    world = Simulated({alone.id: takes(800)})
    every(world, [alone], 5, 10_000)
    world.run(10_000)
    assert world.answered[alone.id] >= 0.8 * 8 * 128 / 0.8
    eight = hooks("eight", 8)
    world = Simulated({w.id: takes(800) for w in eight}, slots=200)
    every(world, eight, 10, 10_000)
    world.run(10_000)
    got = sorted(world.answered[w.id] for w in eight)
    assert got[0] >= 0.7 * got[-1]
    assert sum(got) >= 0.6 * 10 * (150 * 8 / 9) / 0.8
    [ninth] = hooks("ninth", 1)
    assert world.lanes.submit(turn_of(ninth, a_delivery(lane=ninth.lane), 1), world.now_ms) == Go()


def test_one_receiver_cannot_slow_another_after_a_restart_with_nothing_known() -> None:
    """2,000 unknown ones that hang, in a process of 400 slots; what is known goes on, and of the
    unknown ones those that answer are found."""
    rnd = random.Random(2)
    hung, unknown, known = hooks("hung", 2000), hooks("unknown", 40), hooks("known", 40)
    behaviours = {w.id: takes(QUICK_MS) for w in (*unknown, *known)}
    world = Simulated(behaviours | {w.id: hangs for w in hung}, slots=400)
    count = every(world, known, 100, 10_000)
    for webhook in (*hung, *unknown):
        world.load(webhook, [rnd.randint(1000, 3000)])
    world.run(10_000)
    assert deferrals(world, known) == 0
    assert answered(world, known) == count
    assert world.full_ms == 0
    assert world.most_held[UNPROVEN] + world.most_held[SUSPECT] <= 400
    assert sum(world.lanes.shares.held[:SLOW]) <= 200
    world.run(400_000)
    assert answered(world, unknown) == len(unknown)


def test_one_receiver_cannot_slow_another_whatever_each_of_700_does() -> None:
    """Against the same load without the rest; deferrals grow as the logarithm of the time."""
    kinds = [takes(900), takes(6000), hangs, asking, takes(5, 500), flapping, falling_silent(3000)]
    rnd = random.Random(3)
    rest, healthy = hooks("rest", 450), hooks("healthy", 250)
    bad = {w.id: rnd.choice(kinds) for w in rest}
    good = {w.id: takes(QUICK_MS) for w in healthy}
    world = Simulated(bad | good, slots=700)
    every(world, rest, 900, 12_000)
    count = every(world, healthy, 400, 12_000)
    world.run(12_100)
    alone = Simulated(good, slots=700)
    every(alone, healthy, 400, 12_000)
    alone.run(12_100)
    assert answered(alone, healthy) == count
    assert answered(world, healthy) >= 0.95 * count
    assert deferrals(world, healthy) == 0
    assert world.full_ms == 0
    world.run(120_000)
    for times in world.deferred.values():
        seconds = (times[-1] - times[0]) / 1000
        assert len(times) <= 8 + 6 * log(1 + seconds)


@pytest.mark.parametrize("out_s", [20, 60, 300])
def test_what_comes_while_a_webhook_hangs_is_put_off_a_few_times(out_s: int) -> None:
    """However long it hangs: half as often as by each delivery's own time alone, for the first
    minute; and all is sent soon after it answers again."""
    [hung] = hooks("hung", 1)
    until_ms, answers = out_s * 1000, takes(QUICK_MS)
    world = Simulated({hung.id: lambda now: (hangs if now < until_ms else answers)(now)})
    count = every(world, [hung], 50, until_ms)
    world.run(until_ms)
    assert world.deferrals[hung.id] <= (3 if out_s <= 60 else 4.5) * count
    world.run(3 * until_ms + 60_000)
    assert len(world.sent[hung.id]) == count


@pytest.mark.parametrize("status", [200, 500])
def test_a_limit_that_was_cut_does_not_slow_a_receiver_that_answers_at_once(status: int) -> None:
    """A 500 does not raise it again: it stays at two, of five milliseconds each. That is 400 a
    second, also where a process reads ten times a second what came meanwhile; so 3,000 that come at
    once, beside others, are sent within ten seconds or so, and put off less than once each."""
    [webhook] = hooks("wh", 1)
    answers = takes(5, status)
    world = Simulated(
        {webhook.id: lambda now: (hangs if now < 20_000 else answers)(now)}, read_every_ms=100
    )
    every(world, [webhook], 500, 20_000)
    world.run(100_000)
    begun, before = len(world.sent[webhook.id]), world.deferrals[webhook.id]
    world.load(webhook, [100_000] * 3000)
    count = 3000 + every(world, [webhook], 30, 120_000, start=100_000)
    world.run(121_000)
    assert len(world.sent[webhook.id]) - begun == count
    assert world.deferrals[webhook.id] - before < 3000


def test_a_process_without_time_takes_no_receiver_for_slow() -> None:
    """It answers at once; this process looks half a second later. Nothing is put off for that,
    and thousands that came meanwhile wait in memory, or on their topic."""
    [webhook] = hooks("wh", 1)
    lanes = Lanes(2000, 64 * MB)
    due = a_delivery(webhook=webhook.id, lane=webhook.lane)
    turns = [turn_of(webhook, replace(due, id=f"del_{n}"), 1000) for n in range(1500)]
    now_ms, unread, in_flight = START, deque(turns), deque[Turn]()
    plans: list[Plan] = []

    def follow(decided: list[tuple[Turn, Plan]]) -> None:
        plans.extend(plan for _, plan in decided)
        in_flight.extend(turn for turn, plan in decided if isinstance(plan, Go))

    lanes.tick(now_ms)
    while unread or in_flight:
        for _ in range(min(len(unread), 300)):
            turn = unread.popleft()
            follow([(turn, lanes.submit(turn, now_ms))])
        now_ms += 600
        follow(lanes.tick(now_ms))
        for _ in range(len(in_flight)):
            turn = in_flight.popleft()
            took = Answer(started_at_ms=turn.at_ms, duration_ms=now_ms - turn.at_ms, status=200)
            follow(lanes.finished(turn, took, now_ms))
    assert not [plan for plan in plans if isinstance(plan, Defer)]
    assert len([plan for plan in plans if isinstance(plan, Go)]) == len(turns)


def test_a_thousand_a_second_into_a_lane_that_takes_a_hundred() -> None:
    """Each is put off about once, and the lane never idles till all is sent."""
    [webhook] = hooks("wh", 1, rate_per_s=100.0)
    world = Simulated({webhook.id: takes(QUICK_MS)})
    world.load(webhook, range(5000))
    world.run(120_000)
    sent = world.sent[webhook.id]
    assert len(sent) == 5000
    assert sent[-1] - sent[0] <= 5000 / (0.95 * 100) * 1000
    assert most_within_a_second(sent) <= 100
    assert world.deferrals[webhook.id] <= 1.2 * 5000
    assert max(map(len, world.deferred.values())) <= 4


def test_a_rate_shared_by_ten_of_which_three_hang_is_kept_and_used() -> None:
    ten = hooks("wh", 10, lane="int_1", rate_per_s=60.0)
    world = Simulated({w.id: hangs if n < 3 else takes(QUICK_MS) for n, w in enumerate(ten)})
    every(world, ten, 100, 20_000)
    world.run(20_000)
    sent = sorted(at for w in ten for at in world.sent[w.id])
    assert most_within_a_second(sent) <= 60
    assert len(sent) >= 0.95 * 60 * 20
    used = sum(len(world.sent[w.id]) for w in ten[3:])
    assert used >= 0.9 * len(sent)


def most_within_a_second(sent: list[int]) -> int:
    return max(bisect_left(sent, at + 1000) - n for n, at in enumerate(sent))
