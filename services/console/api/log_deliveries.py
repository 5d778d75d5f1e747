"""/v1/log/deliveries: what was sent, with every attempt."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from hookstream.model.records import TRIALS, Result
from hookstream.store import log
from hookstream.store.log import LOOKED_AT, DeliverySeen
from hookstream.store.webhooks import compiled_some
from services.console.api.log_bodies import (
    AttemptOut,
    DeliveryDetail,
    DeliveryOut,
    From,
    Till,
    Word,
    attempt_out,
    delivery_detail,
    delivery_out,
    span,
)
from services.console.callers import Viewer
from services.console.context import Console, ConsoleDep
from services.console.paging import Cursor, Limit, Page, sifted
from services.console.problems import RESPONSES, not_found
from services.console.trials import is_logged

router = APIRouter(prefix="/v1/log/deliveries", tags=["log"], responses=RESPONSES)

State = Annotated[Result | None, Query()]


class Attempts(BaseModel):
    """All attempts of a delivery, oldest first."""

    items: list[AttemptOut]


@router.get("")
def list_all(
    caller: Viewer,
    console: ConsoleDep,
    webhook: Word = None,
    state: State = None,
    event_type: Word = None,
    subject: Word = None,
    from_: From = None,
    till: Till = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Page[DeliveryOut]:
    """Deliveries, newest first. A page may be short; there is more while it has `next`."""
    indexed = state if state != "succeeded" and not subject else None
    given = {"webhook": webhook, "subject": subject, "state": indexed}
    equal = {column: value for column, value in given.items() if value}
    looked_at = LOOKED_AT if event_type or state != indexed or len(equal) > 2 else limit + 1
    part = span(from_, till, cursor)
    rows = log.deliveries(console.pool, caller.home, part, equal, looked_at)
    webhooks = compiled_some(console.pool, caller.home, {row.webhook for row in rows})
    return sifted(
        rows,
        limit,
        looked_at,
        keep=lambda row: (
            event_type in (None, row.event_type)
            and state in (None, row.state)
            and is_logged(row.kind, webhooks.get(row.webhook))
        ),
        shown=lambda row: delivery_out(row, webhooks.get(row.webhook)),
        mark=lambda row: (row.logged_at_ms, row.id),
    )


@router.get("/{delivery}")
def get(delivery: str, caller: Viewer, console: ConsoleDep) -> DeliveryDetail:
    """One delivery, and what was taken out of its last answer (M8)."""
    row = seen(console, caller.home, delivery)
    webhook = compiled_some(console.pool, caller.home, [row.webhook]).get(row.webhook)
    return delivery_detail(row, webhook, *log.extracted(console.pool, caller.home, delivery))


@router.get("/{delivery}/attempts")
def attempts(delivery: str, caller: Viewer, console: ConsoleDep) -> Attempts:
    """Every request of a delivery and what was answered."""
    seen(console, caller.home, delivery)
    return Attempts(items=[attempt_out(row) for row in log.attempts(console.pool, [delivery])])


def seen(console: Console, workspace: str, delivery: str) -> DeliverySeen:
    """The delivery, or 404: also for a test that the log leaves out (F1)."""
    row = log.delivery(console.pool, workspace, delivery)
    if row is None or not _is_shown(console, workspace, row):
        raise not_found("log/deliverie", delivery)
    return row


def _is_shown(console: Console, workspace: str, row: DeliverySeen) -> bool:
    if row.kind not in TRIALS:
        return True
    known = compiled_some(console.pool, workspace, [row.webhook])
    return is_logged(row.kind, known.get(row.webhook))
