"""/v1/webhooks: subscriptions."""

import msgspec
from fastapi import APIRouter, Request, Response

from hookstream.store import event_types
from hookstream.store.change import Change
from hookstream.store.webhooks import WEBHOOKS, WebhookRow
from hookstream.store.workspaces import WorkspaceRow
from services.console.api.webhook_bodies import WebhookChange, WebhookIn, WebhookOut
from services.console.api.webhook_views import WebhookSeen, told, views
from services.console.callers import Editor, Viewer
from services.console.configured import changed_row, check_known, new_row
from services.console.context import ConsoleDep
from services.console.paging import Cursor, Limit, Page, page, position
from services.console.problems import RESPONSES, not_found
from services.console.rules import home, integration_of, policy_of, record_of
from services.console.saving import check_version, save, status, versioned
from services.console.verifying import keep

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=RESPONSES)


@router.post("", status_code=201)
async def create(
    body: WebhookIn, caller: Editor, console: ConsoleDep, response: Response
) -> WebhookOut:
    """Create a webhook. An event sent after the 201 is matched by it; where the policy wants the
    URL verified, it is `unverified` until that has answered (W3)."""

    def work(change: Change) -> tuple[WebhookRow, str | None]:
        workspace = home(change, caller.home)
        policy = policy_of(change, caller.home, body.policy or workspace.default_policy)
        shared = integration_of(change, caller.home, body.integration)
        _check_catalogue(change, workspace, body.events)
        row, secret = new_row(body, caller.home, policy, shared, console.keys)
        return keep(change, None, row, policy, shared), secret

    (saved, secret), published = await save(console, caller, work)
    status(response, published, 201)
    versioned(response, saved)
    return await told(console, saved, published, secret)


@router.get("")
def list_all(
    caller: Viewer, console: ConsoleDep, limit: Limit = 50, cursor: Cursor = ""
) -> Page[WebhookSeen]:
    """The workspace's webhooks, oldest first, each with its last delivery (W11)."""
    after = position(cursor, str) or ("",)
    rows = WEBHOOKS.page(console.pool, caller.home, after[0], limit + 1)
    seen = views(console.pool, caller.home, rows)
    return page(seen, limit, lambda each: each, lambda each: (each.id,))


@router.get("/{webhook}")
def get(webhook: str, caller: Viewer, console: ConsoleDep, response: Response) -> WebhookSeen:
    """One webhook, with its last delivery (W11)."""
    row = WEBHOOKS.get(console.pool, caller.home, webhook)
    if row is None:
        raise not_found("webhook", webhook)
    versioned(response, row)
    return views(console.pool, caller.home, [row])[0]


@router.patch("/{webhook}")
async def change(
    webhook: str,
    body: WebhookChange,
    caller: Editor,
    console: ConsoleDep,
    request: Request,
    response: Response,
) -> WebhookOut:
    """Change a webhook. A secret that this brings is shown once, in this answer. Where the policy
    wants the URL verified, another URL must answer before anything goes there."""

    def work(change: Change) -> tuple[WebhookRow, str | None]:
        workspace = home(change, caller.home)
        before = locked(change, caller.home, webhook)
        check_version(request, before.version, body.version)
        if body.events is not None:
            _check_catalogue(change, workspace, body.events)
        old = policy_of(change, caller.home, before.policy)
        new = policy_of(change, caller.home, body.policy) if body.policy else old
        named = "integration" in body.model_fields_set
        shared = integration_of(
            change, caller.home, body.integration if named else before.integration
        )
        after, secret = changed_row(before, body, old, new, shared, console.keys)
        return keep(change, before, after, new, shared), secret

    (saved, secret), published = await save(console, caller, work)
    status(response, published, 200)
    versioned(response, saved)
    return await told(console, saved, published, secret)


@router.delete("/{webhook}")
async def delete(
    webhook: str, caller: Editor, console: ConsoleDep, request: Request, response: Response
) -> WebhookOut:
    """Delete a webhook: what waits for it ends as cancelled, soon after and page by page, and no
    turn of it is sent any more; a running request finishes."""

    def work(change: Change) -> WebhookRow:
        home(change, caller.home)
        before = locked(change, caller.home, webhook)
        check_version(request, before.version)
        after = msgspec.structs.replace(before, version=before.version + 1, state="deleted")
        gone = record_of(change, after)
        return WEBHOOKS.update(change, before, after, gone, "delete")

    saved, published = await save(console, caller, work)
    status(response, published, 200)
    return await told(console, saved, published)


def locked(change: Change, workspace: str, webhook: str) -> WebhookRow:
    """The webhook, for this transaction alone, or 404."""
    found = WEBHOOKS.lock(change, workspace, webhook)
    if found is None:
        raise not_found("webhook", webhook)
    return found


def _check_catalogue(change: Change, workspace: WorkspaceRow, events: list[str]) -> None:
    if workspace.unknown_types == "refuse":
        check_known(events, event_types.names(change, workspace.id))
