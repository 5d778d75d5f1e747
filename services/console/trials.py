"""Trying a webhook out: a delivery that a person waits for, and what came of it (W3, W10, F1)."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from hookstream.model.records import FINAL, TRIALS, Delivery, Webhook, WebhookState
from hookstream.store import log, outbox
from hookstream.store.log import AttemptSeen, DeliverySeen
from services.console.api.log_bodies import attempt_out, delivery_out
from services.console.context import Console

T = TypeVar("T")

SPARE_S = 5.0
"""How much longer than the receiver may take an answer is waited for."""
_FIRST_S, _LAST_S = 0.02, 0.3
_WORDS = {
    "expired": "it could not be sent in time: the receiver's other requests are in its way",
    "webhook_deleted": "the webhook was deleted",
}


class TrialOut(BaseModel):
    """A test or a verification. `ended` is false while its outcome is not known yet: look again
    at `where`. Headers and body are those that were answered, cut to what a log keeps."""

    delivery: str
    kind: str
    event: str
    event_type: str
    webhook: str
    webhook_state: WebhookState
    where: str
    ended: bool
    state: str
    state_name: str
    reason: str | None = None
    status: int | None = None
    headers: list[tuple[str, str]] = Field(default_factory=list)
    body: str | None = None
    truncated: bool = False
    duration_ms: int | None = None
    started_at: datetime | None = None
    error: str | None = None
    detail: str | None = None


async def ended(console: Console, delivery: Delivery, deadline_ms: int) -> DeliverySeen | None:
    """How the trial ended; None where that is not known within the deadline and a little more."""
    workspace = delivery.event.workspace

    def look() -> DeliverySeen | None:
        row = log.delivery(console.pool, workspace, delivery.id)
        return row if row is not None and row.state in FINAL else None

    return await _until(look, deadline_ms / 1000 + SPARE_S)


async def on_topic(console: Console, webhook: str) -> None:
    """Return once the webhook, as its verification left it, is where events are routed by; at most
    as long as any answer waits for its change."""
    key = f"webhook/{webhook}"
    await _until(
        lambda: not outbox.on_their_way(console.pool, [key]) or None,
        console.settings.publish_wait_s,
    )


async def _until(look: Callable[[], T | None], within_s: float) -> T | None:
    """What `look`, which blocks, finds in time."""
    until, pause = time.monotonic() + within_s, _FIRST_S
    while (found := await run_in_threadpool(look)) is None and time.monotonic() < until:
        await asyncio.sleep(pause)
        pause = min(_LAST_S, 1.5 * pause)
    return found


def under_way(delivery: Delivery, webhook: Webhook) -> TrialOut:
    """What is told of a trial whose outcome is not known yet."""
    return TrialOut(
        delivery=delivery.id,
        kind=delivery.kind,
        event=delivery.event.id,
        event_type=delivery.event.type,
        webhook=webhook.id,
        webhook_state=webhook.state,
        where=place(webhook.id, delivery.id),
        ended=False,
        state="pending",
        state_name="pending",
    )


def trial_out(console: Console, row: DeliverySeen, webhook: Webhook) -> TrialOut:
    """What is told of a trial that the log has. Blocks: reads its attempt."""
    attempts = log.attempts(console.pool, [row.id])
    return told(row, attempts[-1] if attempts else None, webhook)


def told(row: DeliverySeen, attempt: AttemptSeen | None, webhook: Webhook) -> TrialOut:
    """A trial by its delivery, its request where one was made, and its webhook as it is now."""
    shown = delivery_out(row, webhook)
    return TrialOut(
        delivery=row.id,
        kind=row.kind,
        event=row.event,
        event_type=row.event_type,
        webhook=row.webhook,
        webhook_state=webhook.state,
        where=place(row.webhook, row.id),
        ended=row.state in FINAL,
        state=row.state,
        state_name=shown.state_name,
        reason=row.reason,
        **_answer(row, attempt),
    )


def _answer(row: DeliverySeen, attempt: AttemptSeen | None) -> dict[str, Any]:
    if attempt is None:
        return {"detail": _WORDS.get(row.reason or "")}
    out = attempt_out(attempt)
    return {
        "status": out.status,
        "headers": out.response_headers,
        "body": out.response_body,
        "truncated": out.truncated,
        "duration_ms": out.duration_ms,
        "started_at": out.started_at,
        "error": out.error,
        "detail": out.error_detail,
    }


def place(webhook: str, delivery: str) -> str:
    """Where what came of a trial can be read later."""
    return f"/v1/webhooks/{webhook}/tests/{delivery}"


def is_logged(kind: str, webhook: Webhook | None) -> bool:
    """Whether the log shows a delivery of this kind: trials only where the policy says so (F1)."""
    return kind not in TRIALS or webhook is None or webhook.policy.log_tests
