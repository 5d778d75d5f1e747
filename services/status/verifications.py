"""What follows from the answers to verifications (W3), in the transaction of their outcomes."""

from collections.abc import Sequence

from hookstream.model.records import BY_HAND, OWN_FAULT, Outcome
from hookstream.store.change import Change
from hookstream.store.verification import not_verified, verified

_WORDS = {
    "expired": "it could not be sent in time",
    "unsendable": "no request could be made",
}
_CANCELLED = {
    BY_HAND: "was taken back by hand",
    "webhook_deleted": "came where the webhook was not known (any more)",
}


def settle(change: Change, outcomes: Sequence[Outcome]) -> None:
    """Make active whom its receiver has confirmed; say of the others why they stay unverified."""
    for outcome in outcomes:
        if outcome.kind != "verify":
            continue
        webhook, version = outcome.webhook, outcome.webhook_version
        if outcome.result == "succeeded" and outcome.turn is not None:
            verified(change, webhook, version)
        elif outcome.result in ("failed", "cancelled"):
            not_verified(change, webhook, version, why_unverified(outcome))


def why_unverified(outcome: Outcome) -> str:
    """In words that the webhook's owner can act on."""
    reason = outcome.reason or outcome.result
    if outcome.result == "cancelled":
        return f"its verification {_CANCELLED.get(reason, 'was cancelled')}: ask for another"
    if reason == OWN_FAULT:
        return "its verification met a fault of Hookstream's own: ask for another"
    attempt = outcome.attempt
    if attempt is not None and attempt.status is not None:
        return f"its verification was answered {attempt.status}"
    return f"its verification failed: {outcome.error_detail or _WORDS.get(reason, reason)}"
