"""What an answer means under a policy: the end of the delivery, or when to try again."""

from typing import Literal

from msgspec import Struct

from hookstream.model.policy import Codes, Policy
from hookstream.model.records import Delivery
from hookstream.model.schedule import due_after
from services.deliverer.answer import Answer
from services.deliverer.retry_after import retry_after_ms

FailedReason = Literal["gone", "rejected", "unreachable", "exhausted", "expired"]
Disable = Literal["gone", "exhausted"]


class Succeeded(Struct, frozen=True):
    """The receiver took it."""


class Waiting(Struct, frozen=True):
    """The receiver took it and says later, by callback, how it went (P7)."""


class RetryAt(Struct, frozen=True):
    """Another attempt at `due_at_ms`. `reason`: why, in a word."""

    due_at_ms: int
    reason: str


class Failed(Struct, frozen=True):
    """The policy gives up.

    `gone`: the receiver wants no more. `rejected`: an answer that the policy holds for final.
    `unreachable`: a failure without answer that it does not retry. `exhausted`: no attempt left.
    `expired`: the next would come after the delivery's end. `disable`: the webhook's fate, decided
    by status for the version that failed.
    """

    reason: FailedReason
    disable: Disable | None = None


Verdict = Succeeded | Waiting | RetryAt | Failed


def judge(policy: Policy, delivery: Delivery, answer: Answer, now_ms: int) -> Verdict:
    """The verdict on the attempt that ended at `now_ms`. `delivery` is as it was before it."""
    status = answer.status
    if status is not None:
        if _among(status, policy.success):
            return Succeeded()
        if _among(status, policy.waiting):
            return Waiting()
        if _among(status, policy.gone_codes):
            return Failed("gone", None if _is_test(delivery) else "gone")
    if not _is_retried(policy, answer):
        return Failed("rejected" if status is not None else "unreachable")
    return _next(policy, delivery, answer, now_ms)


def _next(policy: Policy, delivery: Delivery, answer: Answer, now_ms: int) -> Verdict:
    seed = f"{delivery.id} {delivery.turn}"
    delay = due_after(policy.schedule, len(delivery.attempts) + 1, seed)
    if _is_test(delivery):  # one request, whatever comes of it: no retry, no disabling (W10)
        return Failed("exhausted")
    if delay is None:
        return Failed("exhausted", "exhausted" if policy.disable_after_exhausted else None)
    due_at_ms = now_ms + max(delay, _asked(policy, answer, now_ms))
    if due_at_ms > delivery.give_up_at_ms:
        return Failed("expired")
    return RetryAt(due_at_ms, _word(answer))


def _is_retried(policy: Policy, answer: Answer) -> bool:
    if answer.result_class not in policy.retry_on:
        return False
    return answer.status is None or _among(answer.status, policy.retry_codes)


def _asked(policy: Policy, answer: Answer, now_ms: int) -> int:
    if not policy.retry_after or answer.retry_after is None:
        return 0
    return min(retry_after_ms(answer.retry_after, now_ms), policy.retry_after_max_ms)


def _word(answer: Answer) -> str:
    return answer.error or f"http_{answer.status}"


def _is_test(delivery: Delivery) -> bool:
    return delivery.kind == "test"


def _among(status: int, codes: tuple[Codes, ...]) -> bool:
    return any(status in some for some in codes)
