"""POST /v1/log/deliveries/{id}/resend: the same event once more, as a new delivery."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Header
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from hookstream.model.deliveries import first_turn
from hookstream.model.ids import delivery_id, released_id
from hookstream.model.records import Delivery, Event, Webhook
from hookstream.store import parked
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

_OVER = {"succeeded", "failed", "cancelled"}

IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=255)]


class Resent(BaseModel):
    """The new delivery; it is in the log once its first turn has ended."""

    id: str
    event: str
    webhook: str
    publishing: bool


@router.post("/{delivery}/resend", status_code=202)
async def resend(
    delivery: str, caller: Editor, console: ConsoleDep, idempotency_key: IdempotencyKey = None
) -> Resent:
    """Send again. The same `Idempotency-Key` is the same new delivery."""
    request = idempotency_key or str(uuid4())
    row, webhook = await run_in_threadpool(_wanted, console, caller.home, delivery)

    def work(change: Change) -> Delivery:
        key = (caller.home, row.event)
        event = parked.event_of(change.cursor, [key]).get(key)
        if event is None:
            raise Problem(409, "event_gone", "the event is no longer kept", field="event")
        again = again_of(row.id, request, webhook, event, now_ms())
        change.tell("deliveries", again.lane, again)
        change.audit("resend", "delivery", row.id, workspace=caller.home, version=0)
        return again

    again, published = await save(console, caller, work)
    return Resent(
        id=again.id, event=again.event.id, webhook=again.webhook, publishing=not published
    )


def again_of(delivery: str, request: str, webhook: Webhook, event: Event, at_ms: int) -> Delivery:
    """The new delivery: its id is the UUIDv5 of (delivery, request)."""
    id_ = delivery_id(delivery, request)
    return first_turn("resend", id_, webhook, event, at_ms, "resend")


def _wanted(console: Console, workspace: str, delivery: str) -> tuple[DeliverySeen, Webhook]:
    row = seen(console, workspace, delivery)
    found = compiled_some(console.pool, workspace, [row.webhook])
    return row, _allowed(row, found.get(row.webhook))


def _allowed(row: DeliverySeen, webhook: Webhook | None) -> Webhook:
    if webhook is None or webhook.state == "deleted":
        raise Problem(409, "webhook_gone", "the webhook was deleted", field="webhook")
    if not webhook.policy.manual_retry:
        detail = f"the policy {webhook.policy.name} forbids sending again by hand"
        raise Problem(409, "manual_retry_forbidden", detail, hint="publish a new event")
    if row.state not in _OVER:
        hint = "wait until it has ended, or resume the webhook it waits for"
        raise Problem(409, "still_running", f"the delivery is {row.state}", hint=hint)
    if row.reason == "released":
        hint = f"see the delivery that was released for it: {released_id(row.id)}"
        raise Problem(409, "still_running", "the delivery goes on as another one", hint=hint)
    return webhook
