"""/v1/workspaces: tenants. Made by the operator."""

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from hookstream.model.records import UnknownTypes
from hookstream.store import integrations, workspaces
from hookstream.store.change import Change
from hookstream.store.integrations import INTEGRATIONS
from hookstream.store.keys import KEYS, active
from hookstream.store.webhooks import WEBHOOKS, of_workspace
from hookstream.store.workspaces import WORKSPACES, WorkspaceRow
from services.console.bodies import Body
from services.console.callers import Anyone, Caller, Operator, operator
from services.console.context import ConsoleDep
from services.console.fresh import new_id
from services.console.integrating import deleted_row
from services.console.paging import Cursor, Limit, Page, page, position
from services.console.problems import RESPONSES, Problem, not_found
from services.console.rules import home, policy_of, record_of
from services.console.saving import check_version, save, status, versioned

router = APIRouter(prefix="/v1/workspaces", tags=["workspaces"], responses=RESPONSES)

Name = Annotated[str, Field(min_length=1, max_length=128)]


class WorkspaceIn(Body):
    """A new workspace."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    name: Name
    unknown_types: UnknownTypes = "accept"
    default_policy: str = "standard"


class WorkspaceChange(Body):
    """What is to change of a workspace."""

    version: int | None = None
    name: Name | None = None
    unknown_types: UnknownTypes | None = None
    default_policy: str | None = None


class WorkspaceOut(BaseModel):
    """A workspace."""

    id: str
    version: int
    name: str
    unknown_types: UnknownTypes
    default_policy: str
    created_at: datetime | None
    publishing: bool = False


def shown(row: WorkspaceRow, published: bool = True) -> WorkspaceOut:
    """A workspace, as the API shows it."""
    return WorkspaceOut(
        id=row.id,
        version=row.version,
        name=row.name,
        unknown_types=row.unknown_types,
        default_policy=row.default_policy,
        created_at=row.created_at,
        publishing=not published,
    )


def visible(caller: Caller, workspace: str, role_is_admin: bool = True) -> None:
    """404 unless the caller is the operator or belongs to the workspace; 403 below admin."""
    if caller.workspace not in (None, workspace):
        raise not_found("workspace", workspace)
    if role_is_admin and caller.role != "admin":
        raise Problem(403, "role_too_low", f"this needs the role admin, not {caller.role}")


@router.post("", status_code=201)
async def create(
    body: WorkspaceIn, caller: Operator, console: ConsoleDep, response: Response
) -> WorkspaceOut:
    """Create a workspace."""
    row = WorkspaceRow(
        id=body.id or new_id("ws"),
        name=body.name,
        unknown_types=body.unknown_types,
        default_policy=body.default_policy,
    )

    def work(change: Change) -> WorkspaceRow:
        policy_of(change, row.id, row.default_policy, "default_policy")
        return WORKSPACES.insert(change, row, row.record())

    saved, published = await save(console, caller, work)
    status(response, published, 201)
    versioned(response, saved)
    return shown(saved, published)


@router.get("")
def list_all(
    _: Operator, console: ConsoleDep, limit: Limit = 50, cursor: Cursor = ""
) -> Page[WorkspaceOut]:
    """All workspaces."""
    after = position(cursor, str) or ("",)
    rows = workspaces.page(console.pool, after[0], limit + 1)
    return page(rows, limit, shown, lambda row: (row.id,))


@router.get("/{workspace}")
def get(workspace: str, caller: Anyone, console: ConsoleDep, response: Response) -> WorkspaceOut:
    """One workspace; a key sees its own."""
    visible(caller, workspace, role_is_admin=False)
    row = WORKSPACES.get(console.pool, workspace, workspace)
    if row is None:
        raise not_found("workspace", workspace)
    versioned(response, row)
    return shown(row)


@router.patch("/{workspace}")
async def change(
    workspace: str,
    body: WorkspaceChange,
    caller: Anyone,
    console: ConsoleDep,
    request: Request,
    response: Response,
) -> WorkspaceOut:
    """Change a workspace."""
    visible(caller, workspace)

    def work(change: Change) -> WorkspaceRow:
        before = home(change, workspace)
        check_version(request, before.version, body.version)
        if body.default_policy is not None:
            policy_of(change, workspace, body.default_policy, "default_policy")
        given = body.model_dump(exclude_none=True, exclude={"version"})
        after = msgspec.structs.replace(before, version=before.version + 1, **given)
        return WORKSPACES.update(change, before, after, after.record())

    saved, published = await save(console, caller, work)
    status(response, published, 200)
    versioned(response, saved)
    return shown(saved, published)


@router.delete("/{workspace}")
async def delete(
    workspace: str, caller: Anyone, console: ConsoleDep, response: Response
) -> WorkspaceOut:
    """Delete a workspace with its keys and webhooks. What is logged stays until it expires."""
    visible(caller, workspace)
    operator(caller)

    def work(change: Change) -> WorkspaceRow:
        before = home(change, workspace)
        _end(change, workspace)
        after = msgspec.structs.replace(before, version=before.version + 1, state="deleted")
        return WORKSPACES.update(change, before, after, after.record(), "delete")

    saved, published = await save(console, caller, work)
    status(response, published, 200)
    return shown(saved, published)


def _end(change: Change, workspace: str) -> None:
    for webhook in of_workspace(change, workspace, 1_000_000):
        gone = msgspec.structs.replace(webhook, version=webhook.version + 1, state="deleted")
        compiled = record_of(change, gone)
        WEBHOOKS.update(change, webhook, gone, compiled, "delete")
    for shared in integrations.of_workspace(change, workspace):
        INTEGRATIONS.update(change, shared, deleted_row(shared), action="delete")
    for key in active(change, workspace):
        ended = msgspec.structs.replace(key, version=key.version + 1, state="deleted")
        KEYS.update(change, key, ended, ended.record(), "delete")
