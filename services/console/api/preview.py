"""POST /v1/webhooks/{id}/preview: the request that an event would become, without sending it."""

import msgspec
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from hookstream.model.opened import Opened, UnsendableError, rendering_of
from hookstream.model.records import Webhook
from hookstream.model.request import OutgoingRequest, request
from hookstream.model.template import TemplateError
from hookstream.store.webhooks import compiled_some
from services.console.api.webhook_trials import TestIn
from services.console.callers import Viewer
from services.console.context import Console, ConsoleDep
from services.console.problems import RESPONSES, Problem, not_found
from services.console.sample_events import delivery_of, sample_event

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=RESPONSES)

MASK = "••••"
"""Stands for what only the receiver is to see: private values, signatures, links to call back."""


class PreviewIn(TestIn):
    """Of which event; all may be left out."""


class LineOut(BaseModel):
    """One header, as it would stand on the wire."""

    key: str
    value: str


class PreviewOut(BaseModel):
    """A request as it would be sent now. Private values, signatures and links are masked."""

    method: str
    url: str
    headers: list[LineOut]
    body: str
    event_type: str
    uses_transaction_id: bool = Field(
        description="Whether the transaction id stands in URL, body or a header that is not private"
    )


class _Raw(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw()


@router.post("/{webhook}/preview")
async def preview(
    webhook: str,
    caller: Viewer,
    console: ConsoleDep,
    request: Request,
    body: PreviewIn | None = None,
) -> PreviewOut:
    """Show the request that an event of a type would become. Nothing is sent, nothing unsealed.

    422 where the event's delivery would fail, because a template does not come to a request.
    """
    body = body or PreviewIn()
    data = None
    if "data" in body.model_fields_set:  # as it came: 1.10 stays 1.10
        data = bytes(msgspec.json.decode(await request.body(), type=_Raw).data)
    asked = body.event_type, data
    return await run_in_threadpool(_preview, console, caller.home, webhook, asked)


def _preview(
    console: Console, workspace: str, id_: str, asked: tuple[str | None, bytes | None]
) -> PreviewOut:
    webhook = compiled_some(console.pool, workspace, [id_]).get(id_)
    if webhook is None or webhook.state == "deleted":
        raise not_found("webhook", id_)
    delivery = delivery_of(webhook, sample_event(console.pool, webhook, *asked))
    try:
        link = MASK if webhook.policy.envelope == "linked" else None
        made = request(webhook, delivery, masked(webhook), delivery.due_at_ms, link=link)
    except (TemplateError, UnsendableError) as error:
        hint = "an event like this fails its delivery: change the template, or what it is given"
        raise Problem(422, "not_rendered", str(error), field="template", hint=hint) from None
    return _shown(webhook, made, delivery.event.type)


def masked(webhook: Webhook) -> Opened:
    """What the deliverer would open, with a mask in place of every sealed value."""
    mask = MASK.encode()
    last = {
        header.name.lower(): (header.name.encode(), mask if header.private else header.value)
        for header in webhook.headers
    }
    headers = tuple(last.values())
    return Opened(headers=headers, rendering=rendering_of(webhook, headers))


def _shown(webhook: Webhook, made: OutgoingRequest, event_type: str) -> PreviewOut:
    mask, scheme = MASK.encode(), webhook.policy.signature
    lines = [
        LineOut(key=name.decode(), value=MASK if value == mask else value.decode("latin-1"))
        for name, value in made.headers
    ]
    if scheme.scheme != "none":
        lines.insert(2, LineOut(key=scheme.header, value=MASK))
    return PreviewOut(
        method=made.method,
        url=made.url,
        headers=lines,
        body=made.body.decode(errors="replace"),
        event_type=event_type,
        uses_transaction_id=made.uses_transaction_id,
    )
