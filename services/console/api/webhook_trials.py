"""/v1/webhooks/{id}/test, verify and tests/{delivery}: trying a webhook out (W3, W10, F1)."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from hookstream.model.records import TRIALS, Delivery, Webhook
from hookstream.store import log
from hookstream.store.change import Change
from hookstream.store.webhooks import compiled_some
from services.console.api.webhooks import locked
from services.console.bodies import Body
from services.console.callers import Editor, Viewer
from services.console.context import Console, ConsoleDep
from services.console.problems import RESPONSES, Problem, not_found
from services.console.rules import home, record_of
from services.console.sample_events import delivery_of, sample_event
from services.console.saving import save
from services.console.trials import TrialOut, ended, on_topic, trial_out, under_way
from services.console.verifying import ask

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=RESPONSES)

Trial = tuple[Webhook, Delivery]


class TestIn(Body):
    """What to send; all may be left out."""

    event_type: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Any type; the first that the webhook subscribes to if absent"
    )
    data: Any = Field(default=None, description="The catalogue's sample of the type if absent")


class _Raw(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw()


@router.post("/{webhook}/test")
async def send_test(
    webhook: str,
    caller: Editor,
    console: ConsoleDep,
    request: Request,
    response: Response,
    body: TestIn | None = None,
) -> TrialOut:
    """Send a test event, whatever the webhook's state, and wait for what the receiver answers. One
    request, from where all deliveries leave; 202 where no outcome is known in time."""
    body = body or TestIn()
    data = None
    if "data" in body.model_fields_set:  # as it came: 1.10 stays 1.10
        data = bytes(msgspec.json.decode(await request.body(), type=_Raw).data)
    asked = body.event_type, data
    known, delivery = await run_in_threadpool(_tested, console, caller.home, webhook, asked)

    def work(change: Change) -> None:
        change.tell("deliveries", delivery.lane, delivery)
        change.audit("test", "webhook", known.id, workspace=caller.home, version=known.version)

    await save(console, caller, work)
    return await _answered(console, known, delivery, response)


@router.post("/{webhook}/verify")
async def verify(webhook: str, caller: Editor, console: ConsoleDep, response: Response) -> TrialOut:
    """Ask the URL again for its verification, and wait for the answer. With a success an unverified
    webhook is active by the time this answers."""

    def work(change: Change) -> Trial:
        home(change, caller.home)
        row = locked(change, caller.home, webhook)
        known = record_of(change, row)
        if known.policy.verification is None:
            detail = f"the policy {known.policy.name} asks for no verification"
            hint = "send a test instead: POST /v1/webhooks/{id}/test"
            raise Problem(409, "nothing_to_verify", detail, field="policy", hint=hint)
        change.audit("ask", "webhook", row.id, workspace=caller.home, version=row.version)
        return known, ask(change, known)

    (known, delivery), _ = await save(console, caller, work)
    return await _answered(console, known, delivery, response)


@router.get("/{webhook}/tests/{delivery}")
def outcome(webhook: str, delivery: str, caller: Viewer, console: ConsoleDep) -> TrialOut:
    """What came of a test or a verification. 404 until something has."""
    known = _webhook(console, caller.home, webhook)
    row = log.delivery(console.pool, caller.home, delivery)
    if row is None or row.webhook != webhook or row.kind not in TRIALS:
        raise not_found("test", delivery)
    return trial_out(console, row, known)


def _tested(
    console: Console, workspace: str, webhook: str, asked: tuple[str | None, bytes | None]
) -> Trial:
    known = _webhook(console, workspace, webhook)
    return known, delivery_of(known, sample_event(console.pool, known, *asked))


async def _answered(
    console: Console, webhook: Webhook, delivery: Delivery, response: Response
) -> TrialOut:
    row = await ended(console, delivery, webhook.policy.deadline_ms)
    if row is None:
        response.status_code = 202
        return under_way(delivery, webhook)
    if delivery.kind == "verify":
        await on_topic(console, webhook.id)

    def read() -> TrialOut:
        return trial_out(console, row, _webhook(console, webhook.workspace, webhook.id))

    return await run_in_threadpool(read)


def _webhook(console: Console, workspace: str, webhook: str) -> Webhook:
    found = compiled_some(console.pool, workspace, [webhook]).get(webhook)
    if found is None or found.state == "deleted":
        raise not_found("webhook", webhook)
    return found
