"""/v1/webhooks/{id}/parked: what waits for a paused or disabled webhook."""

from fastapi import APIRouter
from pydantic import BaseModel

from hookstream.store import parked
from hookstream.store.change import Change
from services.console.api.webhooks import locked
from services.console.callers import Editor
from services.console.context import ConsoleDep
from services.console.fresh import now_ms
from services.console.problems import RESPONSES
from services.console.rules import home
from services.console.saving import save

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=RESPONSES)


class Discarded(BaseModel):
    """How many deliveries end as cancelled, `discarded`: 10000 stands for that many or more."""

    webhook: str
    discarded: int


@router.post("/{webhook}/parked/discard", status_code=202)
async def discard(webhook: str, caller: Editor, console: ConsoleDep) -> Discarded:
    """Give up what waits for the webhook now. What comes for it later waits again; many end page
    by page, and none of them is sent any more."""

    def work(change: Change) -> int:
        home(change, caller.home)
        row = locked(change, caller.home, webhook)
        count = parked.counts_in(change.cursor, [row.id])[row.id]
        parked.discard(change.cursor, row.id, now_ms())
        change.audit("discard", "webhook", row.id, workspace=caller.home, version=row.version)
        return count

    count, _ = await save(console, caller, work)
    return Discarded(webhook=webhook, discarded=count)
