"""Verdicts of the six built-in policies on every kind of answer: the table of design.md, written
out once more by hand, so that neither data nor code changes unnoticed."""

from typing import Any, NamedTuple, get_args

import pytest

from hookstream.model.errors import FAULTS, ErrorKind
from hookstream.model.policy import Policy
from hookstream.model.records import Attempt
from hookstream.model.schedule import last_moment_ms
from services.console.builtin import builtin
from services.deliverer.answer import Answer
from services.deliverer.judge import Failed, RetryAt, Succeeded, Verdict, Waiting, judge
from tests.unit.values import a_delivery

NOW = 1_700_000_000_000
TOOK_MS = 5
ALL = frozenset(range(100, 600))


class Promise(NamedTuple):
    """What a product says, in status codes and seconds."""

    taken: frozenset[int]
    delays_s: list[int]
    waits: frozenset[int] = frozenset()
    gone: frozenset[int] = frozenset()
    final: frozenset[int] = frozenset()
    """Codes that are not tried again; all others are."""
    repeats: frozenset[str] = frozenset(("timeout", "connection"))
    """Classes of failures without an answer that are tried again."""
    reason: str = "exhausted"
    """Why a code that is not tried again has failed."""
    disables: bool = False
    keeps_retry_after: bool = False


OK = frozenset(range(200, 300))
ONLY_200 = frozenset((200,))
SERVER_OR_BUSY = frozenset((429, *range(500, 600)))
PROMISES = {
    "standard": Promise(
        OK,
        [5, 300, 1800, 7200, 18_000, 36_000, 50_400],
        gone=frozenset((410,)),
        keeps_retry_after=True,
    ),
    "workestra": Promise(OK, [5, 30, 120, 600], disables=True),
    "prefinery": Promise(
        ONLY_200, [5 + n**4 for n in range(1, 16)], final=ALL - ONLY_200, reason="rejected"
    ),
    "prestavi": Promise(frozenset((200, 201)), [], waits=frozenset((202,))),
    "maestra": Promise(
        OK,
        [30, 90, 210],
        final=ALL - OK - SERVER_OR_BUSY,
        repeats=frozenset(),
        reason="rejected",
    ),
    "postpress": Promise(ONLY_200, [10, 30, 120, 600, 1800]),
}
JITTER = {"standard": 0.1}
each_product = pytest.mark.parametrize("product", PROMISES)


def answer(status: int | None = None, error: ErrorKind | None = None, **changes: Any) -> Answer:
    started = NOW - TOOK_MS
    return Answer(started_at_ms=started, duration_ms=TOOK_MS, status=status, error=error, **changes)


def judged(
    policy: Policy, given: Answer, made: int = 0, used: bool = True, **changes: Any
) -> Verdict:
    attempts = (Attempt(started_at_ms=NOW - TOOK_MS, duration_ms=0),) * made
    delivery = a_delivery(turn=made + 1, attempts=attempts, **changes)
    return judge(policy, delivery, given, NOW, used)


def expected(product: str, made: int, reason: str) -> Verdict | None:
    """What becomes of a failure that is tried again; None: that, with jitter."""
    promise = PROMISES[product]
    if made >= len(promise.delays_s):
        return Failed("exhausted", "exhausted" if promise.disables else None)
    if product in JITTER:
        return None
    return RetryAt(NOW + promise.delays_s[made] * 1000, reason)


def check(product: str, given: Answer, made: int, reason: str, **changes: Any) -> None:
    verdict = judged(builtin()[product].rules, given, made, **changes)
    wanted = expected(product, made, reason)
    if wanted is not None:
        assert verdict == wanted
    else:
        assert isinstance(verdict, RetryAt)
        delay_ms = PROMISES[product].delays_s[made] * 1000
        assert delay_ms <= verdict.due_at_ms - NOW <= delay_ms * (1 + JITTER[product])
        assert verdict.reason == reason


@each_product
def test_every_code_at_every_attempt(product: str) -> None:
    promise, rules = PROMISES[product], builtin()[product].rules
    for made in range(len(promise.delays_s) + 1):
        for code in sorted(ALL):
            if code in promise.taken:
                assert judged(rules, answer(code), made) == Succeeded(), code
            elif code in promise.waits:
                assert judged(rules, answer(code), made) == Waiting(), code
            elif code in promise.gone:
                assert judged(rules, answer(code), made) == Failed("gone", "gone"), code
            elif code in promise.final:
                assert judged(rules, answer(code), made) == Failed("rejected"), code
            else:
                check(product, answer(code), made, f"http_{code}")


@each_product
def test_every_failure_without_an_answer_at_every_attempt(product: str) -> None:
    promise, rules = PROMISES[product], builtin()[product].rules
    for made in range(len(promise.delays_s) + 1):
        for kind in get_args(ErrorKind):
            if FAULTS[kind].result_class in promise.repeats:
                check(product, answer(error=kind), made, kind)
            else:
                assert judged(rules, answer(error=kind), made) == Failed("unreachable"), kind


@each_product
@pytest.mark.parametrize("code", [200, 204, 302, 404, 410, 429, 500])
def test_a_test_is_one_request_and_disables_nothing(product: str, code: int) -> None:
    """W10."""
    verdict = judged(builtin()[product].rules, answer(code), kind="test")
    if code in PROMISES[product].taken:
        assert verdict == Succeeded()
    else:
        assert isinstance(verdict, Failed)
        assert verdict.disable is None


@each_product
@pytest.mark.parametrize("code", [200, 202, 204, 302, 410, 500])
def test_w3_a_verification_is_answered_with_200_whatever_else_is_a_success(
    product: str, code: int
) -> None:
    verdict = judged(builtin()[product].rules, answer(code), kind="verify")
    assert verdict == (Succeeded() if code == 200 else Failed("rejected"))


ASKED = [
    ("120", 120_000),
    ("Tue, 14 Nov 2023 22:15:20 GMT", 120_000),
    ("3", 0),
    ("Tue, 14 Nov 2023 22:13:21 GMT", 0),
    ("9999999", 86_400_000),
]
"""Retry-After and how much later than now that is at least: a date is of one second, NOW is
22:13:20; what is sooner than the schedule changes nothing, a day is the most."""


@each_product
@pytest.mark.parametrize(("raw", "asked_ms"), ASKED)
@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_kept_where_the_schedule_is_not_promised(
    product: str, raw: str, asked_ms: int, code: int
) -> None:
    promise, rules = PROMISES[product], builtin()[product].rules
    given = answer(code, retry_after=raw)
    if not promise.keeps_retry_after:
        assert judged(rules, given) == judged(rules, answer(code))
        return
    verdict, plain = judged(rules, given), judged(rules, answer(code))
    assert isinstance(verdict, RetryAt)
    assert isinstance(plain, RetryAt)
    assert verdict.due_at_ms == max(NOW + asked_ms, plain.due_at_ms)


def test_m6_without_the_transaction_id_nothing_is_tried_again() -> None:
    rules = builtin()["maestra"].rules
    for code in sorted(SERVER_OR_BUSY):
        assert judged(rules, answer(code), used=False) == Failed("rejected")
    assert judged(rules, answer(200), used=False) == Succeeded()
    for product in PROMISES.keys() - {"maestra"}:
        others = builtin()[product].rules
        assert judged(others, answer(500), used=False) == judged(others, answer(500), used=True)


@pytest.mark.parametrize(
    ("began_ms", "verdict"),
    [(150_000, RetryAt(NOW + 210_000, "http_500")), (150_001, Failed("exhausted"))],
)
def test_m6_a_repeat_that_would_begin_after_six_minutes_is_not_made(
    began_ms: int, verdict: Verdict
) -> None:
    attempts = (Attempt(started_at_ms=NOW - began_ms, duration_ms=0),) * 2
    delivery = a_delivery(turn=3, attempts=attempts)
    assert judge(builtin()["maestra"].rules, delivery, answer(500), NOW, True) == verdict


def test_m6_what_was_put_off_beyond_the_window_has_expired() -> None:
    """A lane's rate, or a pause, may put a repeat off: the receiver forgets ids after a while."""
    schedule = builtin()["maestra"].rules.schedule
    sent = (Attempt(started_at_ms=NOW, duration_ms=0),)
    assert last_moment_ms(schedule, a_delivery(attempts=sent)) == NOW + 360_000
    sooner = a_delivery(attempts=sent, give_up_at_ms=NOW + 5)
    assert last_moment_ms(schedule, sooner) == NOW + 5
    assert last_moment_ms(schedule, a_delivery(give_up_at_ms=NOW)) == NOW
    no_window = builtin()["workestra"].rules.schedule
    assert last_moment_ms(no_window, a_delivery(attempts=sent, give_up_at_ms=NOW)) == NOW
