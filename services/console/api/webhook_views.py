"""A webhook as it is looked at: with its last delivery (W11)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from hookstream.store import integrations, log, outbox, parked
from hookstream.store.parked import COUNTED
from hookstream.store.pool import Pool
from hookstream.store.webhooks import WebhookRow, compiled_some
from services.console.api.log_bodies import delivery_out
from services.console.api.webhook_bodies import WebhookOut, shown
from services.console.context import Console


class LastDelivery(BaseModel):
    """The newest delivery, tests aside, and how it stands; `at`: when its last turn ended."""

    id: str
    event: str
    event_type: str
    state: str
    state_name: str
    status: int | None
    error: str | None
    at: datetime


class WebhookSeen(WebhookOut):
    """A webhook and its last delivery; null where it has had none. `publishing`: its last change is
    still on its way to where events are routed."""

    last_delivery: LastDelivery | None = None
    parked: Annotated[int, Field(description=f"Deliveries that wait for it; {COUNTED}: or more")]


async def told(
    console: Console, row: WebhookRow, published: bool = True, secret: str | None = None
) -> WebhookOut:
    """A webhook that was just saved, with its integration as it is now."""
    shared = await run_in_threadpool(_integrations, console.pool, row.workspace, [row])
    return shown(row, shared.get(row.integration or ""), published, secret)


def _integrations(
    pool: Pool, workspace: str, rows: Sequence[WebhookRow]
) -> dict[str, integrations.IntegrationRow]:
    wanted = {row.integration for row in rows if row.integration is not None}
    return integrations.some(pool, workspace, wanted) if wanted else {}


def views(pool: Pool, workspace: str, rows: Sequence[WebhookRow]) -> list[WebhookSeen]:
    """The webhooks as lists show them."""
    ids = [row.id for row in rows]
    waiting = outbox.on_their_way(pool, [f"webhook/{id_}" for id_ in ids])
    last = _last_deliveries(pool, workspace, ids)
    waiting_for = parked.counts(pool, ids)
    shared = _integrations(pool, workspace, rows)
    return [
        WebhookSeen(
            **shown(
                row, shared.get(row.integration or ""), f"webhook/{row.id}" not in waiting
            ).model_dump(),
            last_delivery=last.get(row.id),
            parked=waiting_for.get(row.id, 0),
        )
        for row in rows
    ]


def _last_deliveries(pool: Pool, workspace: str, webhooks: list[str]) -> dict[str, LastDelivery]:
    rows = log.latest(pool, webhooks)
    known = compiled_some(pool, workspace, rows)
    made = {}
    for id_, row in rows.items():
        out = delivery_out(row, known.get(id_))
        same = out.model_dump(include=set(LastDelivery.model_fields))
        made[id_] = LastDelivery(**same, at=out.ended_at)
    return made
