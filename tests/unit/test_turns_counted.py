"""What the deliverer counts of a turn: by result and class of reason, never by whose it was."""

from collections import Counter

import pytest

from hookstream.model.records import Attempt, Outcome, Result
from hookstream.process import metrics as process_metrics
from services.deliverer.metrics import LATENCY, REQUEST, Turns


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    monkeypatch.setattr(process_metrics, "_kept", {})
    return Turns()


def outcome(
    result: Result, reason: str | None = None, attempt: Attempt | None = None, number: int = 1
) -> Outcome:
    return Outcome(
        workspace="ws",
        delivery="d",
        turn=number,
        webhook="whk",
        webhook_version=1,
        lane="lane-of-somebody",
        event="e",
        event_type="a.b",
        result=result,
        reason=reason,
        logged_at_ms=1_000,
        ended_at_ms=2_000,
        attempt=attempt,
        attempt_number=number if attempt else None,
    )


@pytest.mark.parametrize(
    ("result", "reason", "shown"),
    [
        ("succeeded", None, ""),
        ("retrying", "http_503", "http_5xx"),
        ("retrying", "http_404", "http_4xx"),
        ("retrying", "http_429", "http_429"),
        ("retrying", "timeout_answer", "timeout_answer"),
        ("deferred", "rate", "rate"),
        ("rekeyed", "lane-of-somebody", ""),
    ],
)
def test_a_reason_is_a_word_of_a_small_set(
    turns: Turns, result: Result, reason: str | None, shown: str
) -> None:
    turns.count(outcome(result, reason))
    assert +turns.by_result == Counter({(result, shown): 1})


def test_codes_that_receivers_make_up_are_shown_by_class(turns: Turns) -> None:
    for status in range(100, 1000):
        turns.count(
            outcome("failed", "rejected", Attempt(started_at_ms=0, duration_ms=1, status=status))
        )
    shown = process_metrics.durations(REQUEST).seen()
    assert len(shown) < 90
    assert ("2xx", "") in shown
    assert (404, "404") in shown
    assert (200, "") in shown


def test_the_delay_runs_from_kafkas_append_to_the_answer_that_took_it(turns: Turns) -> None:
    took = Attempt(started_at_ms=1_300, duration_ms=150, status=200)
    turns.count(outcome("succeeded", None, took))
    turns.count(outcome("succeeded", None, took, number=3))
    turns.count(outcome("failed", "rejected", Attempt(started_at_ms=9_000, duration_ms=1)))
    delays = process_metrics.durations(LATENCY)
    assert delays.of("first").sum == pytest.approx(0.45)
    assert delays.of("later").sum == pytest.approx(0.45)
