"""/v1/webhooks/{id}/replay: deliveries of a time span sent once more, at a pace."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter
from pydantic import AliasChoices, BaseModel, Field, field_validator

from hookstream.model.ids import delivery_id
from hookstream.store import replays
from hookstream.store.change import Change
from hookstream.store.replays import Replay, State
from hookstream.store.webhooks import WEBHOOKS
from services.console.api.resend import IdempotencyKey
from services.console.api.webhooks import locked
from services.console.bodies import Body
from services.console.callers import Editor, Viewer
from services.console.context import ConsoleDep
from services.console.fresh import now_ms
from services.console.problems import RESPONSES, Problem, not_found
from services.console.rules import home, policy_of
from services.console.saving import save

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=RESPONSES)

_MOST = 50


class ReplayIn(Body):
    """Which deliveries: those whose events came from `from` on and before `till` (now, if absent;
    UTC if not said). `only_failed`: false sends again whatever has ended."""

    from_: Annotated[datetime, Field(validation_alias=AliasChoices("from"))]
    till: datetime | None = None
    only_failed: bool = True

    @field_validator("from_", "till")
    @classmethod
    def _in_utc(cls, time: datetime | None) -> datetime | None:
        return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


class ReplayOut(BaseModel):
    """A replay and how far it is. Its deliveries are of the kind `replay`."""

    id: str
    webhook: str
    state: State
    sent: int
    from_: Annotated[datetime, Field(serialization_alias="from")]
    till: datetime
    only_failed: bool
    created_at: datetime | None


class Replays(BaseModel):
    """The newest replays of a webhook."""

    items: list[ReplayOut]


@router.post("/{webhook}/replay", status_code=202)
async def replay(
    webhook: str,
    body: ReplayIn,
    caller: Editor,
    console: ConsoleDep,
    idempotency_key: IdempotencyKey = None,
) -> ReplayOut:
    """Send again what failed in a time span: new deliveries of the same events, oldest first, while
    the webhook is active. The same `Idempotency-Key` is the same replay."""
    span = _span(body)

    def work(change: Change) -> Replay:
        home(change, caller.home)
        row = locked(change, caller.home, webhook)
        policy = policy_of(change, caller.home, row.policy)
        if not policy.manual_retry:
            detail = f"the policy {policy.name} forbids sending again by hand"
            raise Problem(409, "manual_retry_forbidden", detail, hint="publish new events")
        wanted = Replay(
            id="rpl_" + delivery_id(row.id, idempotency_key or str(uuid4())),
            webhook=row.id,
            workspace=caller.home,
            from_ms=span[0],
            till_ms=span[1],
            only_failed=body.only_failed,
            at_ms=span[0],
        )
        change.audit("replay", "webhook", row.id, workspace=caller.home, version=row.version)
        return replays.put(change.cursor, wanted)

    made, _ = await save(console, caller, work)
    return _shown(made)


@router.get("/{webhook}/replays")
def list_all(webhook: str, caller: Viewer, console: ConsoleDep) -> Replays:
    """The newest replays of a webhook, and how far each is."""
    if WEBHOOKS.get(console.pool, caller.home, webhook) is None:
        raise not_found("webhook", webhook)
    found = replays.of_webhook(console.pool, caller.home, webhook, _MOST)
    return Replays(items=[_shown(each) for each in found])


@router.post("/{webhook}/replays/{replay}/cancel")
async def cancel(webhook: str, replay: str, caller: Editor, console: ConsoleDep) -> ReplayOut:
    """Stop a replay. What it has sent by now is sent."""

    def work(change: Change) -> Replay:
        found = replays.cancel(change.cursor, caller.home, webhook, replay)
        if found is None:
            raise not_found(f"webhooks/{webhook}/replay", replay)
        change.audit("cancel", "replay", replay, workspace=caller.home, version=0)
        return found

    ended, _ = await save(console, caller, work)
    return _shown(ended)


def _span(body: ReplayIn) -> tuple[int, int]:
    till_ms = min(now_ms(), _ms(body.till) if body.till else now_ms())
    from_ms = _ms(body.from_)
    if from_ms >= till_ms:
        hint = "from is the earlier one, and in the past"
        raise Problem(
            422, "empty_span", "nothing lies between from and till", field="from", hint=hint
        )
    return from_ms, till_ms


def _shown(replay: Replay) -> ReplayOut:
    return ReplayOut(
        id=replay.id,
        webhook=replay.webhook,
        state=replay.state,
        sent=replay.sent,
        from_=_time(replay.from_ms),
        till=_time(replay.till_ms),
        only_failed=replay.only_failed,
        created_at=replay.created_at,
    )


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
