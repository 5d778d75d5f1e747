"""What follows from how a turn ended: pure decisions, carried out by `outcomes_to_views`.

A webhook is disabled for the version that failed, by its policy: at once when the receiver says it
is gone, when one delivery has used up its attempts, or when it has only failed for too long.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from hookstream.model.records import OWN_FAULT, TRIALS, Outcome, Webhook
from services.status.telling import is_worth_telling

Reason = Literal["gone", "exhausted", "failing"]


class Tally(NamedTuple):
    """Of a batch, by webhook: the last success, and what failed after it."""

    succeeded: dict[str, int]
    failed: dict[str, list[Outcome]]


def tally(outcomes: Iterable[Outcome]) -> Tally:
    """Sum up a batch, in the order of the log. Trials count for nothing (W3, W10), and what was no
    fault of the receiver's neither."""
    succeeded: dict[str, int] = {}
    failed: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.kind in TRIALS or outcome.turn is None or outcome.reason == OWN_FAULT:
            continue
        if outcome.result in ("succeeded", "waiting"):
            succeeded[outcome.webhook] = outcome.ended_at_ms
            if outcome.webhook in failed:
                _forget_failing(failed[outcome.webhook])
        elif outcome.result in ("failed", "retrying") and outcome.attempt is not None:
            failed.setdefault(outcome.webhook, []).append(outcome)
    return Tally(succeeded, {webhook: some for webhook, some in failed.items() if some})


def _forget_failing(outcomes: list[Outcome]) -> None:
    """A success ends a row of failures; a delivery's own end stands."""
    outcomes[:] = [o for o in outcomes if o.reason in ("gone", "exhausted")]


def why_disable(outcome: Outcome, webhook: Webhook, failing_since_ms: int | None) -> Reason | None:
    """Why this failure disables this webhook as it is now; None where it does not."""
    if webhook.state != "active" or webhook.version != outcome.webhook_version:
        return None
    policy = webhook.policy
    if outcome.result == "failed" and outcome.reason == "gone":
        return "gone"
    if outcome.reason == "exhausted" and policy.disable_after_exhausted:
        return "exhausted"
    patience_ms = policy.disable_after_failed_ms
    if patience_ms is None or failing_since_ms is None:
        return None
    return "failing" if outcome.ended_at_ms - failing_since_ms >= patience_ms else None


def is_failing(outcome: Outcome, failing_since_ms: int | None, after_ms: int) -> bool:
    """Whether this failure shows that a webhook has failed for long enough to tell of it."""
    if failing_since_ms is None or not is_worth_telling(outcome):
        return False
    return outcome.ended_at_ms - failing_since_ms >= after_ms
