"""GET /v1/log/deliveries/{id}/why: where the time of one delivery went."""

import time
from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from hookstream.store import log
from services.console.api.log_deliveries import seen
from services.console.callers import Viewer
from services.console.context import ConsoleDep
from services.console.problems import RESPONSES
from services.console.why import Step, why

router = APIRouter(prefix="/v1/log/deliveries", tags=["log"], responses=RESPONSES)


class StepOut(BaseModel):
    """A part of the way."""

    attempt: int
    name: str
    from_: datetime = Field(serialization_alias="from")
    took_ms: int
    note: str


class WhyOut(BaseModel):
    """Where the time went, in order."""

    delivery: str
    event: str
    state: str
    verdict: str
    total_ms: int
    trace_ids: list[str] = Field(description="Of its attempts, first to last")
    steps: list[StepOut]


@router.get("/{delivery}/why")
def get(delivery: str, caller: Viewer, console: ConsoleDep) -> WhyOut:
    """Ingest, routing, queue, lane, waits, the parts of each request; and what took longest."""
    row = seen(console, caller.home, delivery)
    found = log.event(console.pool, caller.home, row.event)
    attempts = log.attempts(console.pool, [delivery])
    told = why(found[0] if found else None, row, attempts, time.time_ns() // 1_000_000)
    return WhyOut(
        delivery=row.id,
        event=row.event,
        state=row.state,
        verdict=told.verdict,
        total_ms=told.total_ms,
        trace_ids=list(dict.fromkeys(a.trace_id for a in attempts if a.trace_id)),
        steps=[_step(step) for step in told.steps],
    )


def _step(step: Step) -> StepOut:
    at = datetime.fromtimestamp(step.from_ms / 1000, UTC)
    return StepOut(
        attempt=step.attempt, name=step.name, from_=at, took_ms=step.took_ms, note=step.note
    )
