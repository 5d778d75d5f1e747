"""/v1/log/dead: records that were refused or could not be read, and why."""

from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel

from hookstream.store.refused import Refused, refused
from services.console.callers import Viewer
from services.console.context import ConsoleDep
from services.console.paging import Cursor, Limit, Page, page, position
from services.console.problems import RESPONSES

router = APIRouter(prefix="/v1/log/dead", tags=["log"], responses=RESPONSES)


class DeadOut(BaseModel):
    """One record, where it came from, and why it went no further."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    at: datetime
    event: str | None
    event_type: str | None


@router.get("")
def list_all(
    caller: Viewer, console: ConsoleDep, limit: Limit = 50, cursor: Cursor = ""
) -> Page[DeadOut]:
    """What was refused of the workspace's, newest first."""
    place = position(cursor, int, str, int, int)
    before = (place[0], place[1], place[2], place[3]) if place else None
    rows = refused(console.pool, caller.home, before, limit + 1)
    return page(rows, limit, _shown, lambda r: (r.at_ms, r.topic, r.partition, r.offset))


def _shown(row: Refused) -> DeadOut:
    return DeadOut(
        topic=row.topic,
        partition=row.partition,
        offset=row.offset,
        reason=row.reason,
        detail=row.detail,
        at=datetime.fromtimestamp(row.at_ms / 1000, UTC),
        event=row.event,
        event_type=row.event_type,
    )
