"""Retries that a webhook chooses for itself, within the bounds of its policy (P6)."""

from typing import Any

from hookstream.model.errors import Refusal
from hookstream.model.policy import Policy
from hookstream.model.schedule import schedule_length_ms
from hookstream.store.webhooks import WebhookRow
from services.console.api.policy_bodies import LONGEST_MS
from services.console.api.webhook_bodies import RetryIn
from services.console.compile import with_own_retries


def retry_columns(retry: RetryIn | None) -> dict[str, Any]:
    """As the row keeps them; None: the policy's own."""
    if retry is None:
        return {"retry_delay_ms": None, "retry_requests": None}
    return {"retry_delay_ms": round(retry.delay_s * 1000), "retry_requests": retry.max_requests}


def unfit(row: WebhookRow, policy: Policy) -> Refusal | None:
    """Why the webhook's own retries do not fit this policy; None where they do, or it has none."""
    if row.retry_delay_ms is None or row.retry_requests is None:
        return None
    most = policy.most_requests
    if most is None:
        return Refusal(
            code="retry_fixed",
            field="retry",
            detail="the policy says itself when to retry",
            hint="take a policy that leaves it open, or send retry: null",
        )
    if row.retry_requests > most:
        return Refusal(
            code="too_many_requests",
            field="retry.max_requests",
            detail=f"the policy allows {most} requests at most, the first included",
            hint=f"ask for {most} or fewer",
        )
    if schedule_length_ms(with_own_retries(policy, row)) > LONGEST_MS:
        return Refusal(
            code="schedule_too_long",
            field="retry.delay_s",
            detail="all requests together may take 6 days, which is how long deliveries are kept",
            hint="ask for a shorter delay, or fewer requests",
        )
    return None
