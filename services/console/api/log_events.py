"""/v1/log/events: what came in, where it went, and why it went nowhere."""

import msgspec
from fastapi import APIRouter, Response

from hookstream.model.match import why_not
from hookstream.model.records import Event
from hookstream.store import log
from hookstream.store.log import LOOKED_AT, EventSeen
from hookstream.store.webhooks import compiled, compiled_some
from services.console.api.log_bodies import (
    EventDetail,
    EventOut,
    From,
    Till,
    Word,
    delivery_out,
    event_out,
    span,
)
from services.console.callers import Viewer
from services.console.context import Console, ConsoleDep
from services.console.paging import Cursor, Limit, Page, sifted
from services.console.problems import RESPONSES, not_found

router = APIRouter(prefix="/v1/log/events", tags=["log"], responses=RESPONSES)

_MOST = 100
_TODAY = "by today's configuration"


@router.get("")
def list_all(
    caller: Viewer,
    console: ConsoleDep,
    type: Word = None,
    subject: Word = None,
    from_: From = None,
    till: Till = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Page[EventOut]:
    """Events, newest first. A page may be short; there is more while it has `next`."""
    equal = {"subject": subject} if subject else {}
    looked_at = LOOKED_AT if type else limit + 1
    rows = log.events(console.pool, caller.home, span(from_, till, cursor), equal, looked_at)
    return sifted(
        rows,
        limit,
        looked_at,
        keep=lambda row: type in (None, row.type),
        shown=event_out,
        mark=lambda row: (row.logged_at_ms, row.id),
    )


@router.get("/{event}", response_model=EventDetail)
def get(event: str, caller: Viewer, console: ConsoleDep) -> Response:
    """One event, with its payload as it came, its deliveries, or why it matched nothing."""
    found = log.event(console.pool, caller.home, event)
    if found is None:
        raise not_found("log/event", event)
    seen, data = found
    rows = log.deliveries_of(console.pool, caller.home, event, _MOST)
    webhooks = compiled_some(console.pool, caller.home, {row.webhook for row in rows})
    went = [delivery_out(row, webhooks.get(row.webhook)).model_dump(mode="json") for row in rows]
    missed = [] if rows else _missed(console, caller.home, seen)
    body = event_out(seen).model_dump(mode="json") | {
        "workspace": caller.home,
        "data": msgspec.Raw(data),
        "deliveries": went,
        "not_matched": missed,
        "note": _note(bool(rows), missed),
    }
    return Response(msgspec.json.encode(body), media_type="application/json")


def _missed(console: Console, workspace: str, seen: EventSeen) -> list[dict[str, str]]:
    event = Event(
        workspace=workspace,
        id=seen.id,
        type=seen.type,
        created_at_ms=seen.created_at_ms,
        data=b"",
        source=seen.source,
        subject=seen.subject,
        webhook=seen.webhook,
    )
    whys = [(webhook, why_not(webhook, event)) for webhook in compiled(console.pool, workspace)]
    return [
        {"webhook": webhook.id, "name": webhook.name, "why": why} for webhook, why in whys if why
    ][:_MOST]


def _note(went: bool, missed: list[dict[str, str]]) -> str:
    if went:
        return ""
    if missed:
        return f"matched nothing, {_TODAY}"
    return f"no delivery is logged yet; {_TODAY} no webhook refuses it"
