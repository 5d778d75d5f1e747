"""POST /v1/webhooks/{id}/copy: a webhook like another (M9)."""

from fastapi import APIRouter, Response
from pydantic import Field

from hookstream.store.change import Change
from hookstream.store.webhooks import WebhookRow
from services.console.api.webhook_bodies import WebhookOut
from services.console.api.webhook_views import told
from services.console.api.webhooks import locked
from services.console.bodies import Body
from services.console.callers import Editor
from services.console.context import ConsoleDep
from services.console.copying import copied_row
from services.console.problems import RESPONSES
from services.console.rules import home, integration_of, policy_of
from services.console.saving import save, status, versioned
from services.console.verifying import keep

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=RESPONSES)


class CopyIn(Body):
    """What is to differ."""

    name: str | None = Field(default=None, description="The copy's system name; made up if absent")


@router.post("/{webhook}/copy", status_code=201)
async def copy(
    webhook: str,
    caller: Editor,
    console: ConsoleDep,
    response: Response,
    body: CopyIn | None = None,
) -> WebhookOut:
    """Copy a webhook. It starts paused, with a name and a secret of its own; the secret is shown
    once, in this answer. Private headers come along."""

    def work(change: Change) -> tuple[WebhookRow, str | None]:
        home(change, caller.home)
        before = locked(change, caller.home, webhook)
        policy = policy_of(change, caller.home, before.policy)
        shared = integration_of(change, caller.home, before.integration)
        row, secret = copied_row(before, body.name if body else None, policy, console.keys)
        return keep(change, None, row, policy, shared), secret

    (saved, secret), published = await save(console, caller, work)
    status(response, published, 201)
    versioned(response, saved)
    return await told(console, saved, published, secret)
