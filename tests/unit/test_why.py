"""Where the time of a delivery went, as told from what its attempts noted."""

from typing import get_args

import msgspec
import pytest

from hookstream.model.records import Timing
from hookstream.store.log import AttemptSeen, DeliverySeen, EventSeen
from services.console.why import PUT_OFF, why
from services.deliverer.admit import Why

EVENT = EventSeen(
    id="e",
    logged_at_ms=1_010,
    created_at_ms=1_000,
    type="a",
    source=None,
    subject=None,
    webhook=None,
    trace_id=None,
    repeats=0,
    conflict=False,
)
DELIVERY = DeliverySeen(
    id="d",
    logged_at_ms=1_010,
    webhook="w",
    webhook_version=1,
    event="e",
    event_type="a",
    subject=None,
    kind="event",
    attempts=1,
    state="succeeded",
    reason=None,
    status=200,
    error=None,
    ended_at_ms=1_100,
    next_due_at_ms=None,
    turn=1,
    stated_reason=None,
    closing_reason=None,
    waits_until_ms=None,
    closed_as=0,
)
TIMING = Timing(
    first_due_at_ms=1_010,
    due_at_ms=1_010,
    queued_at_ms=1_013,
    taken_at_ms=1_018,
    dns_ms=1,
    connect_ms=2,
    tls_ms=3,
    body_ms=7,
)


def attempt(number: int, started_at_ms: int, timing: Timing | None = TIMING) -> AttemptSeen:
    return AttemptSeen(
        delivery="d",
        turn=number,
        number=number,
        result="succeeded",
        webhook_version=1,
        started_at_ms=started_at_ms,
        duration_ms=40,
        status=200,
        error=None,
        error_detail=None,
        response_headers=None,
        response_body=None,
        truncated=False,
        trace_id=None,
        timing=msgspec.json.encode(timing) if timing else None,
    )


def test_every_millisecond_of_a_first_attempt_has_its_name() -> None:
    told = why(EVENT, DELIVERY, [attempt(1, 1_020)], 9_999)
    assert [(step.name, step.took_ms) for step in told.steps] == [
        ("ingest", 10),
        ("routing", 3),
        ("queue", 5),
        ("lane in memory", 2),
        ("dns", 1),
        ("connect", 2),
        ("tls", 3),
        ("first byte", 34),
        ("body", 7),
    ]
    assert told.total_ms == 1_020 + 40 + 7 - 1_000
    assert told.verdict == "51 % of 67 ms was first byte of attempt 1 (status 200)."


def test_a_retry_waited_by_its_schedule_and_then_for_its_lane() -> None:
    later = Timing(
        first_due_at_ms=6_060,
        due_at_ms=8_060,
        put_off_for="cooling_down",
        queued_at_ms=8_063,
        taken_at_ms=8_063,
    )
    told = why(EVENT, DELIVERY, [attempt(1, 1_020), attempt(2, 8_064, later)], 9_999)
    waits = [(s.name, s.took_ms) for s in told.steps if s.attempt == 2]
    assert waits == [
        ("schedule", 5_000),
        ("lane", 2_000),
        ("release", 3),
        ("queue", 0),
        ("lane in memory", 1),
        ("first byte", 40),
        ("body", 0),
    ]
    assert "schedule of attempt 2" in told.verdict


def test_clocks_that_disagree_make_no_step_negative() -> None:
    ahead = Timing(first_due_at_ms=1_010, due_at_ms=1_010, queued_at_ms=1_001, taken_at_ms=999)
    told = why(EVENT, DELIVERY, [attempt(1, 990, ahead)], 9_999)
    assert min(step.took_ms for step in told.steps) >= 0


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("deferred", "rate", "is put off: the lane's rate had no room"),
        ("parked", "webhook_not_active", "waits until the webhook is active again"),
        ("retrying", "status", "waits for its next attempt"),
    ],
)
def test_what_has_not_ended_says_what_it_waits_for(state: str, reason: str, words: str) -> None:
    open_ = msgspec.structs.replace(DELIVERY, state=state, reason=reason)
    told = why(EVENT, open_, [], 3_010)
    assert words in told.verdict
    assert told.steps[-1].took_ms == 2_000


def test_attempts_of_a_version_that_noted_nothing_are_told_as_far_as_they_go() -> None:
    told = why(None, DELIVERY, [attempt(1, 1_050, None)], 9_999)
    assert [(s.name, s.took_ms) for s in told.steps] == [("before", 40), ("first byte", 40)]


def test_every_reason_to_put_a_delivery_off_has_words() -> None:
    assert set(get_args(Why)) == PUT_OFF.keys()
