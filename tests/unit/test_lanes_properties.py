"""What holds of `admit` and `learn` whatever the values are."""

from math import log
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hookstream.model.errors import FAULTS
from hookstream.model.shards import ceiling_of
from services.deliverer.admit import (
    AS_LONG_AGAIN_MS,
    Defer,
    Go,
    View,
    Wait,
    admit,
    may_open,
    put_off,
)
from services.deliverer.answer import Answer
from services.deliverer.health import (
    ASKED_MAX_MS,
    COOL_DOWN_MAX_MS,
    COOL_DOWN_MS,
    START,
    Health,
    learn,
    rested,
)
from services.deliverer.shares import FAST, SUSPECT, Shares
from tests.unit.values import a_delivery, a_policy, a_webhook

NOW = 1_700_000_000_000
DAY_MS = 86_400_000
_checked = settings(max_examples=100, deadline=None, derandomize=True)

_after = st.integers(-5000, 5000).map(lambda ms: NOW + ms)
_healths = st.builds(
    Health,
    limit=st.integers(0, 200),
    cool_down_ms=st.integers(0, COOL_DOWN_MAX_MS),
    not_before_ms=st.just(0) | _after,
    is_cut=st.booleans(),
)
_views = st.builds(
    View,
    in_flight=st.integers(0, 200),
    silent=st.integers(0, 5),
    waiting=st.integers(0, 600),
    kept=st.booleans(),
    has_room=st.booleans(),
    next_free_ms=st.just(0.0) | _after.map(float),
    horizon_ms=st.just(0.0) | _after.map(float),
    pace_ms=st.none() | st.floats(0.01, 60_000),
    process_full=st.booleans(),
    has_slot=st.booleans(),
)
_webhooks = st.builds(
    lambda most, exact: a_webhook(max_in_flight=most, policy=a_policy(exact=exact)),
    st.integers(1, 200),
    st.booleans(),
)
_deliveries = st.builds(
    lambda since, reason, left, kind, number: a_delivery(
        id=f"del_{number}",
        kind=kind,
        deferred_since_ms=since and NOW - since,
        reason=reason,
        give_up_at_ms=NOW + left,
    ),
    st.none() | st.integers(1, DAY_MS),
    st.sampled_from([None, "rate", "busy", "cooling_down", "not_answering"]),
    st.integers(0, DAY_MS),
    st.sampled_from(["event", "event", "test"]),
    st.integers(0, 9),
)
_answers = st.builds(
    lambda status, error, asked, started: Answer(
        started_at_ms=started,
        duration_ms=5,
        status=None if error else status,
        error=error,
        retry_after=None if error else asked,
    ),
    st.sampled_from([200, 204, 302, 400, 404, 410, 429, 500, 502, 503]),
    st.none() | st.sampled_from(sorted(FAULTS)),
    st.sampled_from([None, None, "0", "7", "86400", "soon"]),
    _after,
)


@_checked
@given(_webhooks, _deliveries, _healths, _views)
def test_it_goes_only_where_limit_cool_down_rate_and_slots_allow(
    webhook: Any, delivery: Any, health: Health, view: View
) -> None:
    plan = admit(webhook, delivery, health, view, NOW)
    exact = webhook.policy.exact or delivery.kind == "test"
    if plan == Go():
        assert view.in_flight < ceiling_of(webhook)
        assert view.in_flight < max(health.limit, START if exact else 1)
        assert view.next_free_ms <= NOW
        assert view.has_slot
        assert view.waiting == 0
        assert exact or health.not_before_ms <= NOW
    elif may_open(webhook, delivery, health, view.in_flight, NOW):
        assert not view.has_slot or view.next_free_ms > NOW or view.waiting


@_checked
@given(_webhooks, _deliveries, _healths, _views)
def test_what_is_put_off_is_put_off_to_a_time_to_come_and_not_beyond_its_end(
    webhook: Any, delivery: Any, health: Health, view: View
) -> None:
    plan = admit(webhook, delivery, health, view, NOW)
    for deferred in (plan, put_off(webhook, delivery, health, view, NOW)):
        if isinstance(deferred, Defer):
            assert NOW < deferred.until_ms <= delivery.give_up_at_ms + 1
            if deferred.booked_ms is not None:
                assert deferred.booked_ms <= deferred.until_ms <= deferred.booked_ms + 1
                assert deferred.booked_ms >= max(view.horizon_ms, view.next_free_ms, NOW)
    if isinstance(plan, Defer) and plan.why == "cooling_down":
        assert not webhook.policy.exact
        assert plan.until_ms >= min(health.not_before_ms, delivery.give_up_at_ms + 1)
    if view.process_full and health.not_before_ms <= NOW and not view.has_slot:
        assert plan == Wait()


@_checked
@given(_webhooks, _healths, _views, st.lists(st.integers(0, 600), min_size=2, max_size=9))
def test_booked_times_follow_each_other(
    webhook: Any, health: Health, view: View, waiting: list[int]
) -> None:
    horizon_ms, delivery = view.horizon_ms, a_delivery()
    for ahead in waiting:
        seen = replace(view, horizon_ms=horizon_ms, waiting=ahead)
        plan = put_off(webhook, delivery, health, seen, NOW)
        if plan.booked_ms is not None:
            assert plan.booked_ms > horizon_ms
            horizon_ms = plan.booked_ms


@_checked
@given(
    _healths, st.lists(st.sampled_from(["open", "silent", "busy", "cooling"]), min_size=1), _after
)
def test_the_number_of_deferrals_is_logarithmic_in_the_time(
    health: Health, states: list[str], since_ms: int
) -> None:
    """Whatever its lane is like each time it comes back, for a week."""
    webhook, delivery, now_ms, count = a_webhook(), a_delivery(), since_ms, 0
    end_ms = since_ms + 7 * DAY_MS
    while now_ms < end_ms:
        state = states[count % len(states)]
        view = View(silent=state == "silent", pace_ms=20.0 if state == "busy" else None)
        until_ms = now_ms + COOL_DOWN_MS if state == "cooling" else 0
        health = replace(health, not_before_ms=until_ms, limit=max(START, health.limit))
        plan = put_off(webhook, delivery, health, view, now_ms)
        if state == "cooling":
            other = admit(webhook, delivery, health, view, now_ms)
            assert isinstance(other, Defer)
            plan = other
        since = delivery.deferred_since_ms or now_ms
        turn = delivery.turn + 1
        delivery = replace(delivery, turn=turn, deferred_since_ms=since, reason=plan.why)
        now_ms, count = plan.until_ms, count + 1
    few_ms = AS_LONG_AGAIN_MS // 1000
    assert count <= 2 * (few_ms + log(7 * DAY_MS / AS_LONG_AGAIN_MS) / log(1.25))


@_checked
@given(st.lists(st.tuples(_answers, st.booleans(), st.integers(0, 4000)), max_size=30), _webhooks)
def test_limits_stay_between_none_and_the_ceiling(
    answers: list[tuple[Answer, bool, int]], webhook: Any
) -> None:
    health, now_ms, ceiling = Health(), NOW, ceiling_of(webhook)
    for answer, is_used, later in answers:
        before, now_ms = health, now_ms + later
        health = learn(before, answer, ceiling, now_ms, is_used)
        assert 0 <= health.limit <= max(START, ceiling)
        assert health.cool_down_ms in (0, *(COOL_DOWN_MS * 2**n for n in range(10)), 600_000)
        assert health.not_before_ms <= now_ms + max(ASKED_MAX_MS, COOL_DOWN_MAX_MS)
        assert health.limit or health.not_before_ms >= before.not_before_ms
        if answer.status is not None and answer.status < 300:
            assert health.limit > before.limit or before.limit >= START
            assert is_used or health.limit <= max(before.limit, START)
        assert START <= rested(health).limit <= health.limit or rested(health) == health


@_checked
@given(
    st.integers(8, 300), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), max_size=400)
)
def test_no_rank_takes_more_than_its_part_with_those_below(
    slots: int, asking: list[tuple[int, int]]
) -> None:
    """Each of 31 webhooks of each rank opens as many as it may, and never ends one."""
    shares, own = Shares(slots), dict[tuple[int, int], int]()
    for who in asking:
        if shares.has_slot(who[0], own.get(who, 0)):
            own[who] = own.get(who, 0) + 1
            shares.opened(who[0])
    assert shares.in_flight == sum(own.values()) <= slots
    parts = (max(1, slots // 8), slots // 2, slots * 3 // 4)
    for rank, part in enumerate(parts):
        assert sum(shares.held[: rank + 1]) <= part
    for rank in range(SUSPECT, FAST):
        [most, *_] = sorted((n for who, n in own.items() if who[0] == rank), reverse=True) or [0]
        assert most <= parts[rank] // 2 + 1
