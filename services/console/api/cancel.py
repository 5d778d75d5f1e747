"""POST /v1/log/deliveries/{id}/cancel: takes back one delivery that waits for its next turn."""

from typing import cast

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from hookstream.model.deliveries import ended_apart
from hookstream.model.policy import DAY_MS
from hookstream.model.records import BY_HAND, SUCCEEDED_BY, Cancellation, Kind, Webhook
from hookstream.model.schedule import give_up_at_ms
from hookstream.store import cancellations, parked
from hookstream.store.change import Change
from hookstream.store.log import DeliverySeen
from hookstream.store.webhooks import compiled_some
from services.console.api.log_deliveries import seen
from services.console.callers import Editor
from services.console.context import Console, ConsoleDep
from services.console.fresh import now_ms
from services.console.problems import RESPONSES, Problem
from services.console.saving import save

router = APIRouter(prefix="/v1/log/deliveries", tags=["log"], responses=RESPONSES)

_KEPT_MS = 7 * DAY_MS
"""No turn comes later than this: its record is not kept for longer."""


class Cancelled(BaseModel):
    """The delivery that was taken back; the log says so once `publishing` is over."""

    id: str
    state: str = "cancelled"
    reason: str = BY_HAND
    publishing: bool


@router.post("/{delivery}/cancel", status_code=202)
async def cancel(delivery: str, caller: Editor, console: ConsoleDep) -> Cancelled:
    """Cancel a delivery that waits: for its next attempt, for its turn, or for its webhook. A
    request that is under way just then finishes, and if it succeeds the delivery has succeeded."""
    row, webhook = await run_in_threadpool(_wanted, console, caller.home, delivery)

    def work(change: Change) -> None:
        if take_back(change, caller.home, row, webhook):
            change.audit("cancel", "delivery", row.id, workspace=caller.home, version=0)

    _, published = await save(console, caller, work)
    return Cancelled(id=row.id, publishing=not published)


def take_back(change: Change, workspace: str, row: DeliverySeen, webhook: Webhook) -> bool:
    """End it for the log, and keep its next turn from being sent. False where that was done."""
    at_ms = now_ms()
    if row.state == "parked":
        if parked.take_one(change.cursor, row.webhook, row.id, row.logged_at_ms) is None:
            raise _over("the delivery was released, or ended, at this moment")
    else:
        record = Cancellation(workspace=workspace, delivery=row.id, at_ms=at_ms)
        due_ms = max(at_ms, row.next_due_at_ms or 0)
        until_ms = max(give_up_at_ms(webhook.policy, due_ms), at_ms + _KEPT_MS)
        if not cancellations.put(change, record, until_ms):
            return False
    ended = ended_apart(
        webhook,
        delivery=row.id,
        kind=cast(Kind, row.kind),
        event=row.event,
        event_type=row.event_type,
        subject=row.subject,
        result="cancelled",
        reason=BY_HAND,
        logged_at_ms=row.logged_at_ms,
        now_ms=at_ms,
    )
    change.tell("outcomes", ended.lane, ended)
    return True


def _wanted(console: Console, workspace: str, delivery: str) -> tuple[DeliverySeen, Webhook]:
    row = seen(console, workspace, delivery)
    if row.state == "waiting":
        hint = "the receiver closes it by its callback"
        raise Problem(409, "with_the_receiver", "the receiver has it already", hint=hint)
    if row.state not in SUCCEEDED_BY and row.state != "parked":
        raise _over(f"the delivery has ended: {row.state}")
    webhook = compiled_some(console.pool, workspace, [row.webhook]).get(row.webhook)
    if webhook is None:
        raise Problem(409, "webhook_gone", "the webhook was deleted", field="webhook")
    return row, webhook


def _over(detail: str) -> Problem:
    hint = "to send it once more: POST /v1/log/deliveries/{id}/resend"
    return Problem(409, "has_ended", detail, field="state", hint=hint)
