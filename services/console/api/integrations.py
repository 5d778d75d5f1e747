"""/v1/integrations: root URL, headers and request rate that several webhooks share (M1 to M5)."""

from fastapi import APIRouter, Request, Response

from hookstream.store.change import Change
from hookstream.store.integrations import INTEGRATIONS, IntegrationRow
from hookstream.store.webhooks import with_integration
from services.console.api.integration_bodies import (
    IntegrationChange,
    IntegrationIn,
    IntegrationOut,
    shown,
)
from services.console.callers import Admin, Viewer
from services.console.context import ConsoleDep
from services.console.followers import MOST_WEBHOOKS, check_few, check_fits, publish
from services.console.integrating import changed_row, deleted_row, new_row, unfit
from services.console.paging import Cursor, Limit, Page, page, position
from services.console.problems import RESPONSES, Problem, not_found
from services.console.rules import home, policy_of
from services.console.saving import check_version, save, status, versioned

router = APIRouter(prefix="/v1/integrations", tags=["integrations"], responses=RESPONSES)


@router.post("", status_code=201)
async def create(
    body: IntegrationIn, caller: Admin, console: ConsoleDep, response: Response
) -> IntegrationOut:
    """Create an integration. Values of private headers are never shown again."""

    def work(change: Change) -> IntegrationRow:
        home(change, caller.home)
        return INTEGRATIONS.insert(change, new_row(body, caller.home, console.keys))

    saved, _ = await save(console, caller, work)
    versioned(response, saved)
    return shown(saved)


@router.get("")
def list_all(
    caller: Viewer, console: ConsoleDep, limit: Limit = 50, cursor: Cursor = ""
) -> Page[IntegrationOut]:
    """The workspace's integrations, oldest first."""
    after = position(cursor, str) or ("",)
    rows = INTEGRATIONS.page(console.pool, caller.home, after[0], limit + 1)
    return page(rows, limit, shown, lambda row: (row.id,))


@router.get("/{integration}")
def get(
    integration: str, caller: Viewer, console: ConsoleDep, response: Response
) -> IntegrationOut:
    """One integration."""
    row = INTEGRATIONS.get(console.pool, caller.home, integration)
    if row is None:
        raise not_found("integration", integration)
    versioned(response, row)
    return shown(row)


@router.patch("/{integration}")
async def change(
    integration: str,
    body: IntegrationChange,
    caller: Admin,
    console: ConsoleDep,
    request: Request,
    response: Response,
) -> IntegrationOut:
    """Change an integration; its webhooks are published anew with it."""

    def work(change: Change) -> IntegrationRow:
        before = _locked(change, caller.home, integration)
        check_version(request, before.version, body.version)
        saved = INTEGRATIONS.update(change, before, changed_row(before, body, console.keys))
        _publish_followers(change, saved)
        return saved

    saved, published = await save(console, caller, work)
    status(response, published, 200)
    versioned(response, saved)
    return shown(saved, published)


@router.delete("/{integration}")
async def delete(
    integration: str, caller: Admin, console: ConsoleDep, request: Request
) -> IntegrationOut:
    """Delete an integration that no webhook belongs to."""

    def work(change: Change) -> IntegrationRow:
        before = _locked(change, caller.home, integration)
        check_version(request, before.version)
        if with_integration(change, caller.home, integration, 1):
            hint = "delete its webhooks, or give them another integration, first"
            raise Problem(409, "integration_in_use", "webhooks belong to it", hint=hint)
        return INTEGRATIONS.update(change, before, deleted_row(before), action="delete")

    saved, _ = await save(console, caller, work)
    return shown(saved)


def _locked(change: Change, workspace: str, integration: str) -> IntegrationRow:
    home(change, workspace)
    found = INTEGRATIONS.lock(change, workspace, integration)
    if found is None:
        raise not_found("integration", integration)
    return found


def _publish_followers(change: Change, shared: IntegrationRow) -> None:
    followers = with_integration(change, shared.workspace, shared.id, MOST_WEBHOOKS + 1)
    check_few(followers, "integration")
    for follower in followers:
        policy = policy_of(change, follower.workspace, follower.policy)
        check_fits("integration", follower, unfit(follower, shared, policy), "root_url")
        publish(change, follower, "integration changed", policy=policy, shared=shared)
