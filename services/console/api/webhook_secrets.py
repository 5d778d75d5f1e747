"""/v1/webhooks/{id}/secret/rotate: a new secret, and the old one beside it for a while."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from msgspec.structs import replace
from pydantic import Field

from hookstream.store.change import Change
from hookstream.store.webhooks import WebhookRow
from services.console.api.webhook_bodies import Secret, WebhookOut
from services.console.api.webhook_views import told
from services.console.api.webhooks import locked
from services.console.bodies import Body
from services.console.callers import Editor
from services.console.context import Console, ConsoleDep
from services.console.fresh import now_ms
from services.console.problems import RESPONSES, Problem
from services.console.rotation import rotated
from services.console.rules import home, integration_of, policy_of
from services.console.saving import check_version, save, status, versioned
from services.console.sealing import secret_for, signed_by
from services.console.verifying import keep

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=RESPONSES)

DAY_S = 86_400


class RotateIn(Body):
    """A new secret: typed, or made up if absent. The old one is kept a day unless said."""

    version: int | None = None
    secret: Secret | None = Field(default=None, description="Made up if absent")
    keep_s: Annotated[int, Field(ge=0, le=30 * DAY_S)] = Field(
        default=DAY_S, description="How long the old secret goes on signing; 0: it ends at once"
    )


@router.post("/{webhook}/secret/rotate")
async def rotate(
    webhook: str,
    caller: Editor,
    console: ConsoleDep,
    request: Request,
    response: Response,
    body: RotateIn | None = None,
) -> WebhookOut:
    """Change the secret. It is shown once, in this answer.

    The standard schemes sign with both until the old one ends. The schemes `sha256` and `secret`
    send one value: the old secret's until it ends, the new one's from then on.
    """
    asked = body or RotateIn()

    def work(change: Change) -> tuple[WebhookRow, str]:
        home(change, caller.home)
        before = locked(change, caller.home, webhook)
        check_version(request, before.version, asked.version)
        return _rotate(change, before, asked, console)

    (saved, secret), published = await save(console, caller, work)
    status(response, published, 200)
    versioned(response, saved)
    return await told(console, saved, published, secret)


def _rotate(
    change: Change, before: WebhookRow, asked: RotateIn, console: Console
) -> tuple[WebhookRow, str]:
    policy = policy_of(change, before.workspace, before.policy)
    secret = secret_for(policy.signature, asked.secret)
    if secret is None:
        hint = "take a policy that signs"
        raise Problem(409, "secret_unused", "the policy signs nothing", hint=hint)
    columns = signed_by(console.keys, before.workspace, before.id, policy.signature, secret)
    new = replace(before, version=before.version + 1, **columns)
    after = rotated(before, new, now_ms(), asked.keep_s * 1000)
    shared = integration_of(change, after.workspace, after.integration)
    return keep(change, before, after, policy, shared, "rotate secret"), secret
