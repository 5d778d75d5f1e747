"""Who may send now, decision by decision, and what is learnt from an answer."""

from typing import Any

import pytest
from msgspec.structs import replace

from hookstream.model.errors import ErrorKind
from services.deliverer.admit import (
    TOGETHER_MS,
    Cancel,
    Defer,
    Go,
    Park,
    Plan,
    Rekey,
    View,
    Wait,
    admit,
    fate,
)
from services.deliverer.answer import Answer
from services.deliverer.health import ASKED_MAX_MS, COOL_DOWN_MAX_MS, Health, learn
from tests.unit.values import a_delivery, a_policy, a_webhook

NOW = 1_700_000_000_000
OPEN = Health(limit=0, cool_down_ms=4000, opened_at_ms=NOW - 9000, not_before_ms=NOW - 5000)
COOLING = Health(limit=0, cool_down_ms=4000, opened_at_ms=NOW, not_before_ms=NOW + 4000)
FINE = Health(limit=8)
CUT = Health(limit=8, is_cut=True)


def answer(
    status: int | None = None, error: ErrorKind | None = None, started_at_ms: int = NOW, **more: Any
) -> Answer:
    fields = {"started_at_ms": started_at_ms, "duration_ms": 9, "status": status, "error": error}
    return Answer(**{**fields, **more})


def admitted(health: Health, view: View, exact: bool = False, **delivery: Any) -> Plan:
    webhook = a_webhook(policy=a_policy(exact=exact))
    return admit(webhook, a_delivery(**delivery), health, view, NOW)


@pytest.mark.parametrize(
    ("health", "view", "plan"),
    [
        (Health(), View(), Go()),
        (Health(), View(in_flight=1), Go()),
        (Health(), View(in_flight=2), Wait()),
        (Health(), View(in_flight=2, waiting=7), Wait()),
        (FINE, View(in_flight=7), Go()),
        (FINE, View(in_flight=3, waiting=1), Wait()),  # first come, first served
        (FINE, View(next_free_ms=NOW + 500, pace_ms=500), Wait()),
        (FINE, View(process_full=True, waiting=99), Wait()),
        (Health(limit=1), View(has_slot=False), Wait()),
        (FINE, View(has_slot=False), Wait()),
        (FINE, View(silent=1, in_flight=1, has_slot=False), Wait()),
        (OPEN, View(), Go()),  # the probe
        (CUT, View(in_flight=8, waiting=99, pace_ms=10), Wait()),
        (CUT, View(in_flight=8, waiting=100, pace_ms=10), Defer(NOW + 1011, "busy", NOW + 1010)),
        (CUT, View(in_flight=8, waiting=31, pace_ms=100), Wait()),
        (CUT, View(in_flight=8, waiting=32, pace_ms=100), Defer(NOW + 3301, "busy", NOW + 3300)),
        (FINE, View(in_flight=8, waiting=511, pace_ms=10), Wait()),
        (FINE, View(in_flight=8, waiting=512, pace_ms=10), Defer(NOW + 5131, "busy", NOW + 5130)),
        (
            FINE,
            View(next_free_ms=NOW + 2000, horizon_ms=NOW + 60_000, pace_ms=2000),
            Defer(NOW + 62_001, "rate", NOW + 62_000),
        ),
        (
            FINE,
            View(in_flight=8, has_room=False, waiting=3, pace_ms=100),
            Defer(NOW + 401, "busy", NOW + 400),
        ),
    ],
)
def test_plans(health: Health, view: View, plan: Plan) -> None:
    assert admitted(health, view) == plan


@pytest.mark.parametrize(
    ("health", "view", "least_ms", "why"),
    [
        (COOLING, View(), 4000, "cooling_down"),
        (OPEN, View(in_flight=1), 4000, "not_answering"),
        (FINE, View(in_flight=8, silent=8), 1000, "not_answering"),
        (Health(), View(in_flight=2, waiting=512), 250, "busy"),
    ],
)
def test_without_an_estimate_it_is_the_cool_down_a_little_apart(
    health: Health, view: View, least_ms: int, why: str
) -> None:
    plan = admitted(health, view)
    assert isinstance(plan, Defer)
    assert NOW + least_ms <= plan.until_ms <= NOW + least_ms * 1.25
    assert (plan.why, plan.booked_ms) == (why, None)
    assert {admitted(health, view, id=f"del_{n}") for n in range(2, 12)} != {plan}


@pytest.mark.parametrize(
    ("out_ms", "least_ms"), [(0, 4000), (9000, 9000), (40_000, 15_000), (10**9, 600_000)]
)
def test_what_comes_while_a_webhook_is_out_waits_as_long_again_as_it_has_been_out(
    out_ms: int, least_ms: int
) -> None:
    """Beyond 15 s a quarter of that, and never for longer than the longest cool-down."""
    plan = admitted(COOLING, View(out_ms=out_ms))
    assert isinstance(plan, Defer)
    assert NOW + least_ms <= plan.until_ms <= NOW + least_ms * 1.25


def test_those_without_a_time_of_their_own_come_back_together() -> None:
    """A webhook's at the same moments of each tenth of a second; another's at others."""
    moments: dict[str, set[int]] = {}
    for name in ("wh_1", "wh_2", "wh_3"):
        for n in range(50):
            delivery, webhook = a_delivery(id=f"del_{n}"), a_webhook(id=name)
            plan = admit(webhook, delivery, COOLING, View(), NOW + n)
            assert isinstance(plan, Defer)
            assert 4000 <= plan.until_ms - NOW <= (4000 + n) * 1.25
            moments.setdefault(name, set()).add(plan.until_ms % TOGETHER_MS)
    assert all(len(found) == 1 for found in moments.values())
    assert len(set.union(*moments.values())) > 1


def test_as_many_wait_in_memory_as_go_out_within_a_second() -> None:
    """More where this process is behind its clock; no more than four times its limit for a suspect,
    whose pace is that of better days."""
    full = View(in_flight=8, waiting=900, pace_ms=1)
    assert admitted(FINE, full) == Wait()
    assert isinstance(admitted(FINE, replace(full, waiting=1000)), Defer)
    assert admitted(FINE, replace(full, waiting=1000, patience_ms=1800)) == Wait()
    assert admitted(CUT, full) == Wait()
    last = replace(full, in_flight=1, pace_ms=5, waiting=4)
    assert isinstance(admitted(Health(limit=1, is_cut=True), last), Defer)


def test_a_quarter_of_the_time_put_off_keeps_deferrals_few() -> None:
    plan = admitted(COOLING, View(), deferred_since_ms=NOW - 400_000, turn=12)
    assert isinstance(plan, Defer)
    assert plan.until_ms >= NOW + 100_000


def test_what_is_late_because_all_stood_still_is_not_put_off_for_long() -> None:
    view = View(silent=2, in_flight=2)
    plan = admitted(Health(), view, deferred_since_ms=NOW - 3_600_000, turn=2)
    assert isinstance(plan, Defer)
    assert plan.until_ms <= NOW + 5000


def test_a_booked_time_is_kept_and_not_booked_again() -> None:
    view = View(next_free_ms=NOW + 10, horizon_ms=NOW + 60_000, pace_ms=2000)
    assert isinstance(admitted(FINE, view), Defer)
    assert admitted(FINE, view, deferred_since_ms=NOW - 5, reason="rate") == Wait()


def test_an_exact_policy_ignores_the_cool_down() -> None:
    assert admitted(COOLING, View(), exact=True) == Go()
    assert admitted(COOLING, View(in_flight=1), exact=True) == Go()
    assert isinstance(admitted(COOLING, View(in_flight=2), exact=True), Defer)


@pytest.mark.parametrize(
    ("webhook", "plan"),
    [
        ({"state": "deleted"}, Cancel()),
        ({"state": "deleted", "lane": "other"}, Cancel()),
        ({"lane": "other"}, Rekey("other")),
        ({"state": "paused"}, Park()),
        ({"state": "disabled"}, Park()),
        ({"state": "unverified"}, Park()),
    ],
)
def test_edits_meet_deliveries_on_their_way(webhook: dict[str, Any], plan: Plan) -> None:
    assert fate(a_webhook(**webhook), a_delivery()) == plan


@pytest.mark.parametrize("kind", ["test", "verify"])
@pytest.mark.parametrize("state", ["paused", "disabled", "unverified"])
def test_a_trial_goes_out_whatever_the_state(state: Any, kind: Any) -> None:
    """W3, W10."""
    assert fate(a_webhook(state=state), a_delivery(kind=kind)) is None


@pytest.mark.parametrize("kind", ["test", "verify"])
def test_a_person_does_not_wait_for_a_cool_down(kind: Any) -> None:
    assert isinstance(admitted(COOLING, View()), Defer)
    assert admitted(COOLING, View(), kind=kind) == Go()
    assert isinstance(admitted(COOLING, View(in_flight=2), kind=kind), Defer)


@pytest.mark.parametrize(
    ("before", "given", "limit"),
    [
        (2, answer(200), 4),
        (8, answer(200), 10),  # the ceiling
        (0, answer(204), 1),
        (1, answer(404), 2),
        (0, answer(500), 1),
        (8, answer(500), 8),
        (8, answer(429), 4),
        (8, answer(503), 4),
        (8, answer(error="timeout_answer"), 4),
        (8, answer(error="connection_refused"), 4),
        (2, answer(503), 1),
        (1, answer(503), 0),
        (8, answer(error="proxy"), 8),
        (8, answer(error="invalid_request"), 8),
        (16, answer(200), 16),  # a ceiling lowered by an edit binds in admit
    ],
)
def test_limits_double_and_halve(before: int, given: Answer, limit: int) -> None:
    assert learn(Health(limit=before), given, 10, NOW).limit == limit


def test_the_cool_down_doubles_with_each_probe_up_to_ten_minutes() -> None:
    health, now_ms, found = Health(limit=1), NOW, []
    for _ in range(13):
        health = learn(health, answer(error="timeout_answer", started_at_ms=now_ms), 10, now_ms)
        found.append(health.cool_down_ms)
        now_ms = health.not_before_ms
    assert found[:4] == [1000, 2000, 4000, 8000]
    assert found[-1] == COOL_DOWN_MAX_MS
    assert learn(health, answer(200), 10, now_ms) == Health(limit=1, is_cut=True)


def test_requests_sent_before_the_circuit_opened_do_not_prolong_it() -> None:
    late = answer(error="timeout_answer", started_at_ms=COOLING.opened_at_ms - 1)
    assert learn(COOLING, late, 10, NOW + 5) == COOLING


def test_retry_after_holds_the_webhook_up_within_bounds() -> None:
    assert learn(FINE, answer(429, retry_after="7"), 10, NOW).not_before_ms == NOW + 7000
    day = learn(FINE, answer(503, retry_after="86400"), 10, NOW)
    assert day.not_before_ms == NOW + ASKED_MAX_MS
    assert learn(FINE, answer(200, retry_after="7"), 10, NOW).not_before_ms == 0
