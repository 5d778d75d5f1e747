"""Verdicts: the seeds' tables, and that no promise is kept early."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookstream.model.errors import ErrorKind
from hookstream.model.policy import Codes, Policy, Schedule, Verification
from hookstream.model.records import Attempt
from services.deliverer.answer import Answer
from services.deliverer.judge import Failed, RetryAt, Succeeded, Verdict, Waiting, judge
from services.deliverer.retry_after import retry_after_ms
from tests.unit.values import a_delivery, a_policy, retrying

NOW = 1_700_000_000_000


def code(first: int, last: int | None = None) -> Codes:
    return Codes(first=first, last=last or first)


def answer(status: int | None = None, error: ErrorKind | None = None, **changes: Any) -> Answer:
    return Answer(started_at_ms=NOW - 5, duration_ms=5, status=status, error=error, **changes)


def judged(policy: Policy, given: Answer, made: int = 0, **changes: Any) -> Verdict:
    attempts = (Attempt(started_at_ms=0, duration_ms=0),) * made
    return judge(policy, a_delivery(turn=made + 1, attempts=attempts, **changes), given, NOW)


STANDARD = retrying(5000, 300_000)
PREFINERY = a_policy(
    success=(code(200),),
    retry_codes=(),
    retry_on=("timeout", "connection"),
    gone_codes=(),
    schedule=Schedule(kind="polynomial", delays_ms=(5000,), max_requests=16),
)
WORKESTRA = retrying(
    5000, 30_000, 120_000, 600_000, disable_after_exhausted=True, retry_after=False, gone_codes=()
)
PRESTAVI = a_policy(
    success=(code(200), code(201)), waiting=(code(202),), gone_codes=(), retry_after=False
)
MAESTRA = retrying(
    30_000,
    90_000,
    210_000,
    retry_codes=(code(429), code(500, 599)),
    retry_on=("status",),
    gone_codes=(),
)
RETRY = RetryAt(NOW + 5000, "http_500")


@pytest.mark.parametrize(
    ("policy", "given", "made", "verdict"),
    [
        (STANDARD, answer(204), 0, Succeeded()),
        (STANDARD, answer(500), 0, RETRY),
        (STANDARD, answer(302), 0, RetryAt(NOW + 5000, "http_302")),
        (STANDARD, answer(404), 1, RetryAt(NOW + 300_000, "http_404")),
        (STANDARD, answer(500), 2, Failed("exhausted")),
        (STANDARD, answer(410), 0, Failed("gone", "gone")),
        (STANDARD, answer(error="tls_expired"), 0, RetryAt(NOW + 5000, "tls_expired")),
        (PREFINERY, answer(200), 0, Succeeded()),
        (PREFINERY, answer(201), 0, Failed("rejected")),
        (PREFINERY, answer(500), 7, Failed("rejected")),
        (PREFINERY, answer(301), 0, Failed("rejected")),
        (PREFINERY, answer(410), 0, Failed("rejected")),
        (PREFINERY, answer(error="timeout_answer"), 0, RetryAt(NOW + 6000, "timeout_answer")),
        (PREFINERY, answer(error="timeout_answer"), 1, RetryAt(NOW + 21_000, "timeout_answer")),
        (
            PREFINERY,
            answer(error="connection_refused"),
            14,
            RetryAt(NOW + 50_630_000, "connection_refused"),
        ),
        (PREFINERY, answer(error="timeout_connect"), 15, Failed("exhausted")),
        (WORKESTRA, answer(410), 0, RetryAt(NOW + 5000, "http_410")),
        (WORKESTRA, answer(503), 3, RetryAt(NOW + 600_000, "http_503")),
        (WORKESTRA, answer(503), 4, Failed("exhausted", "exhausted")),
        (PRESTAVI, answer(201), 0, Succeeded()),
        (PRESTAVI, answer(202), 0, Waiting()),
        (PRESTAVI, answer(204), 0, Failed("exhausted")),
        (PRESTAVI, answer(302), 0, Failed("exhausted")),
        (MAESTRA, answer(429), 0, RetryAt(NOW + 30_000, "http_429")),
        (MAESTRA, answer(502), 2, RetryAt(NOW + 210_000, "http_502")),
        (MAESTRA, answer(502), 3, Failed("exhausted")),
        (MAESTRA, answer(404), 0, Failed("rejected")),
        (MAESTRA, answer(error="timeout_answer"), 0, Failed("unreachable")),
    ],
)
def test_verdicts(policy: Policy, given: Answer, made: int, verdict: Verdict) -> None:
    assert judged(policy, given, made) == verdict


def test_a_test_is_sent_once_and_disables_nothing() -> None:
    """W10."""
    assert judged(WORKESTRA, answer(500), kind="test") == Failed("exhausted")
    assert judged(STANDARD, answer(410), kind="test") == Failed("gone")
    assert judged(STANDARD, answer(200), kind="test") == Succeeded()


def test_a_retry_past_the_end_of_the_delivery_is_expired() -> None:
    assert judged(STANDARD, answer(500), give_up_at_ms=NOW + 5000) == RETRY
    assert judged(STANDARD, answer(500), give_up_at_ms=NOW + 4999) == Failed("expired")


@pytest.mark.parametrize(
    ("raw", "delay_ms"),
    [
        ("1", 5000),  # never earlier than the schedule
        ("60", 60_000),
        (" 60 ", 60_000),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60_000),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 5000),  # gone by
        ("999999999", 86_400_000),  # capped
        ("-5", 5000),
        ("1.5", 5000),
        ("soon", 5000),
        ("", 5000),
        ("٣", 5000),
        ("9" * 100, 5000),
    ],
)
def test_retry_after_moves_an_attempt_later_never_earlier(raw: str, delay_ms: int) -> None:
    given = answer(503, retry_after=raw)
    assert judged(STANDARD, given) == RetryAt(NOW + delay_ms, "http_503")


def test_retry_after_does_not_bend_a_schedule_that_is_promised() -> None:
    given = answer(503, retry_after="60")
    assert judged(WORKESTRA, given) == RetryAt(NOW + 5000, "http_503")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(max_size=40))
def test_any_retry_after_is_read_without_an_error(raw: str) -> None:
    assert retry_after_ms(raw, NOW) >= 0


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(0, 10**7), min_size=1, max_size=5),
    st.floats(0, 1),
    st.integers(0, 6),
    st.none() | st.integers(0, 10**5),
)
def test_no_schedule_is_bent(
    delays: list[int], jitter: float, made: int, asked_s: int | None
) -> None:
    """Invariant 4: a retry is never before its schedule, nor before what was asked for."""
    schedule = Schedule(delays_ms=tuple(delays), max_requests=len(delays) + 1, jitter=jitter)
    retry_after = None if asked_s is None else str(asked_s)
    verdict = judged(a_policy(schedule=schedule), answer(500, retry_after=retry_after), made)
    if made >= len(delays):
        assert verdict == Failed("exhausted")
    else:
        assert isinstance(verdict, RetryAt)
        wanted = max(delays[made], min((asked_s or 0) * 1000, 86_400_000))
        assert NOW + wanted <= verdict.due_at_ms <= NOW + max(wanted, int(delays[made] * 2))


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (answer(200), Succeeded()),
        (answer(204), Failed("rejected")),  # a success of deliveries is none of verifications
        (answer(410), Failed("rejected")),
        (answer(503, retry_after="1"), Failed("rejected")),
        (answer(error="connection_refused"), Failed("unreachable")),
        (answer(error="timeout_answer"), Failed("unreachable")),
    ],
)
def test_a_verification_has_a_success_of_its_own_and_one_request(
    given: Answer, verdict: Verdict
) -> None:
    """W3."""
    verifying = a_policy(verification=Verification(), disable_after_exhausted=True)
    assert judged(verifying, given, kind="verify") == verdict
    assert judged(STANDARD, given, kind="verify") == verdict
