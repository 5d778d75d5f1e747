"""/v1/webhooks/{id}/enable, disable, pause, resume."""

from typing import Literal

import msgspec
from fastapi import APIRouter, Request, Response

from hookstream.model.records import WebhookState
from hookstream.store import parked
from hookstream.store.change import Change
from hookstream.store.webhooks import WebhookRow
from services.console.api.webhook_bodies import WebhookOut
from services.console.api.webhook_views import told
from services.console.api.webhooks import locked
from services.console.bodies import Body
from services.console.callers import Editor
from services.console.context import ConsoleDep
from services.console.fresh import now_ms
from services.console.problems import RESPONSES, Problem
from services.console.rules import home, integration_of, policy_of
from services.console.saving import check_version, save, status, versioned
from services.console.verifying import keep

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=RESPONSES)

Step = Literal["enable", "disable", "pause", "resume"]

Decision = Literal["deliver", "discard"]


class MoveIn(Body):
    """What is to become of the deliveries that wait. Resuming delivers them if nothing is said;
    enabling asks, where there are any."""

    parked: Decision | None = None


STEPS: dict[Step, tuple[tuple[WebhookState, ...], WebhookState]] = {
    "enable": (("disabled",), "active"),
    "disable": (("active", "paused", "unverified"), "disabled"),
    "pause": (("active",), "paused"),
    "resume": (("paused",), "active"),
}
"""From which states each leads, and where to. There already: nothing changes."""


@router.post("/{webhook}/{step}")
async def move(
    webhook: str,
    step: Step,
    caller: Editor,
    console: ConsoleDep,
    request: Request,
    response: Response,
    body: MoveIn | None = None,
) -> WebhookOut:
    """Move a webhook to another state. What comes for it while it is paused or disabled waits, and
    is sent once it is active again, oldest first, unless `parked` says `discard` (W12).
    One whose URL must answer first is `unverified` where it would be active (W3)."""
    said = body.parked if body else None
    if said is not None and STEPS[step][1] != "active":
        hint = "say it when the webhook is resumed or enabled"
        raise Problem(422, "unknown_field", f"{step} decides nothing", field="parked", hint=hint)

    def work(change: Change) -> WebhookRow:
        home(change, caller.home)
        before = locked(change, caller.home, webhook)
        check_version(request, before.version)
        after = moved(before, step)
        decide(change, before, step, said)
        if after is before:
            return before
        policy = policy_of(change, caller.home, before.policy)
        shared = integration_of(change, caller.home, before.integration)
        return keep(change, before, after, policy, shared, step)

    saved, published = await save(console, caller, work)
    status(response, published, 200)
    versioned(response, saved)
    return await told(console, saved, published)


def decide(change: Change, before: WebhookRow, step: Step, said: Decision | None) -> None:
    """What becomes of what waits. 409 where enabling does not say, and something does."""
    if said == "discard":
        parked.discard(change.cursor, before.id, now_ms())
    elif step == "enable" and said is None and before.state == "disabled":
        count = parked.counts_in(change.cursor, [before.id])[before.id]
        if count:
            detail = f"{count} deliveries wait for the webhook: deliver or discard them?"
            hint = 'say {"parked": "deliver"} or {"parked": "discard"}'
            raise Problem(409, "parked_undecided", detail, field="parked", hint=hint)


def moved(before: WebhookRow, step: Step) -> WebhookRow:
    """The row after the step; the same one where it is there already. 409 where none leads."""
    starts, end = STEPS[step]
    if before.state == end:
        return before
    if before.state not in starts:
        steps = [name for name, (start, _) in STEPS.items() if before.state in start]
        hint = f"what can be done: {', '.join(steps)}"
        raise Problem(
            409, "wrong_state", f"the webhook is {before.state}", field="state", hint=hint
        )
    reason = None if end == "active" else "by hand"
    return msgspec.structs.replace(
        before, version=before.version + 1, state=end, state_reason=reason
    )
