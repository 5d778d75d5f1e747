"""What follows from the answers to verifications (W3), in the transaction of their outcomes."""

from collections.abc import Sequence

from hookstream.model.records import Outcome
from hookstream.store.change import Change
from hookstream.store.verification import not_verified, verified

_WORDS = {
    "expired": "it could not be sent in time",
    "unsendable": "no request could be made",
    "webhook_deleted": "the webhook was deleted",
}


def settle(change: Change, outcomes: Sequence[Outcome]) -> None:
    """Make active whom its receiver has confirmed; say of the others why they stay unverified."""
    for outcome in outcomes:
        if outcome.kind != "verify" or outcome.turn is None:
            continue
        if outcome.result == "succeeded":
            verified(change, outcome.webhook, outcome.webhook_version)
        elif outcome.result == "failed":
            version = outcome.webhook_version
            not_verified(change, outcome.webhook, version, why_unverified(outcome))


def why_unverified(outcome: Outcome) -> str:
    """In words that the webhook's owner can act on."""
    attempt = outcome.attempt
    if attempt is not None and attempt.status is not None:
        return f"its verification was answered {attempt.status}"
    reason = outcome.reason or "failed"
    return f"its verification failed: {outcome.error_detail or _WORDS.get(reason, reason)}"
