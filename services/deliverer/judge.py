"""What an answer means under a policy: the end of the delivery, or when to try again."""

from typing import Literal

from msgspec import Struct

from hookstream.model.policy import Codes, Policy, Verification
from hookstream.model.records import TRIALS, Delivery
from hookstream.model.schedule import due_after, window_end_ms
from services.deliverer.answer import Answer
from services.deliverer.retry_after import retry_after_ms

FailedReason = Literal["gone", "rejected", "unreachable", "exhausted", "expired"]
Disable = Literal["gone", "exhausted"]


class Succeeded(Struct, frozen=True, gc=False):
    """The receiver took it."""


class Waiting(Struct, frozen=True, gc=False):
    """The receiver took it and says later, by callback, how it went (P7)."""


class RetryAt(Struct, frozen=True, gc=False):
    """Another attempt at `due_at_ms`. `reason`: why, in a word."""

    due_at_ms: int
    reason: str


class Failed(Struct, frozen=True, gc=False):
    """The policy gives up.

    `gone`: the receiver wants no more. `rejected`: an answer that the policy holds for final.
    `unreachable`: a failure without answer that it does not retry. `exhausted`: no attempt left,
    or none that would begin within the schedule's window. `expired`: the next would come after the
    delivery's end. `disable`: the webhook's fate, decided by status for the version that failed.
    """

    reason: FailedReason
    disable: Disable | None = None


Verdict = Succeeded | Waiting | RetryAt | Failed


def judge(
    policy: Policy,
    delivery: Delivery,
    answer: Answer,
    now_ms: int,
    used_transaction_id: bool = False,
) -> Verdict:
    """The verdict on the attempt that ended at `now_ms`. `delivery` is as it was before it.

    `used_transaction_id`: the transaction id was rendered into this very request (M6).
    """
    status = answer.status
    if delivery.kind == "verify":
        return _verified(policy, status)
    if status is not None:
        if _among(status, policy.success):
            return Succeeded()
        if _among(status, policy.waiting):
            return Waiting()
        if _among(status, policy.gone_codes):
            return Failed("gone", None if _is_test(delivery) else "gone")
    if not _is_retried(policy, answer, used_transaction_id):
        return Failed("rejected" if status is not None else "unreachable")
    return _next(policy, delivery, answer, now_ms)


def _next(policy: Policy, delivery: Delivery, answer: Answer, now_ms: int) -> Verdict:
    if _is_test(delivery):  # one request, whatever comes of it: no retry, no disabling (W10)
        return Failed("exhausted")
    attempts = (*delivery.attempts, answer.attempt)
    delay = due_after(policy.schedule, len(attempts), f"{delivery.id} {delivery.turn}")
    due_at_ms = now_ms + max(delay or 0, _asked(policy, answer, now_ms))
    end_ms = window_end_ms(policy.schedule, attempts)
    if delay is None or (end_ms is not None and due_at_ms > end_ms):
        return Failed("exhausted", "exhausted" if policy.disable_after_exhausted else None)
    if due_at_ms > delivery.give_up_at_ms:
        return Failed("expired")
    return RetryAt(due_at_ms, _word(answer))


def _is_retried(policy: Policy, answer: Answer, used_transaction_id: bool) -> bool:
    if policy.retry_needs_transaction_id and not used_transaction_id:
        return False
    if answer.result_class not in policy.retry_on:
        return False
    return answer.status is None or _among(answer.status, policy.retry_codes)


def _asked(policy: Policy, answer: Answer, now_ms: int) -> int:
    if not policy.retry_after or answer.retry_after is None:
        return 0
    return min(retry_after_ms(answer.retry_after, now_ms), policy.retry_after_max_ms)


def _word(answer: Answer) -> str:
    return answer.error or f"http_{answer.status}"


def _verified(policy: Policy, status: int | None) -> Verdict:
    """Of a verification, which has a success of its own (W3); its webhook stays as it is."""
    wanted = policy.verification or Verification()
    if status is not None and _among(status, wanted.success):
        return Succeeded()
    return Failed("unreachable" if status is None else "rejected")


def _is_test(delivery: Delivery) -> bool:
    return delivery.kind in TRIALS


def _among(status: int, codes: tuple[Codes, ...]) -> bool:
    return any(status in some for some in codes)
