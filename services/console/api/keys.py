"""/v1/keys: API keys of a workspace. The secret is shown once."""

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from hookstream.model.records import Role
from hookstream.store.change import Change
from hookstream.store.keys import KEYS, KeyRow
from services.console.api.workspaces import visible
from services.console.bodies import Body
from services.console.callers import Admin, Anyone, Caller, hashed
from services.console.context import Console, ConsoleDep
from services.console.fresh import new_id, new_key
from services.console.paging import Cursor, Limit, Page, page, position
from services.console.problems import RESPONSES, not_found
from services.console.rules import home
from services.console.saving import save, status

router = APIRouter(prefix="/v1", tags=["keys"], responses=RESPONSES)


class KeyIn(Body):
    """A new key. Roles: producer < viewer < editor < admin."""

    name: Annotated[str, Field(min_length=1, max_length=128)] = "key"
    role: Role = "producer"


class KeyOut(BaseModel):
    """A key; `key`, its secret, only in the answer that made it."""

    id: str
    workspace: str
    name: str
    role: Role
    hint: str
    created_at: datetime | None
    key: str | None = None
    publishing: bool = False


def shown(row: KeyRow, published: bool = True, secret: str | None = None) -> KeyOut:
    """A key, as the API shows it."""
    return KeyOut(
        id=row.id,
        workspace=row.workspace,
        name=row.name,
        role=row.role,
        hint=row.hint,
        created_at=row.created_at,
        key=secret,
        publishing=not published,
    )


@router.post("/workspaces/{workspace}/keys", status_code=201)
async def create_in(
    workspace: str, body: KeyIn, caller: Anyone, console: ConsoleDep, response: Response
) -> KeyOut:
    """Make a key of a workspace: by the operator, or an admin of it."""
    visible(caller, workspace)
    return await _create(workspace, body, caller, console, response)


@router.post("/keys", status_code=201)
async def create(body: KeyIn, caller: Admin, console: ConsoleDep, response: Response) -> KeyOut:
    """Make a key of the caller's workspace."""
    return await _create(caller.home, body, caller, console, response)


@router.get("/keys")
def list_all(
    caller: Admin, console: ConsoleDep, limit: Limit = 50, cursor: Cursor = ""
) -> Page[KeyOut]:
    """The workspace's keys."""
    after = position(cursor, str) or ("",)
    rows = KEYS.page(console.pool, caller.home, after[0], limit + 1)
    return page(rows, limit, shown, lambda row: (row.id,))


@router.get("/keys/{key}")
def get(key: str, caller: Admin, console: ConsoleDep) -> KeyOut:
    """One key."""
    row = KEYS.get(console.pool, caller.home, key)
    if row is None:
        raise not_found("key", key)
    return shown(row)


@router.delete("/keys/{key}")
async def delete(key: str, caller: Admin, console: ConsoleDep, response: Response) -> KeyOut:
    """Delete a key; it is refused as soon as the change is on the topic."""

    def work(change: Change) -> KeyRow:
        before = KEYS.lock(change, caller.home, key)
        if before is None:
            raise not_found("key", key)
        after = msgspec.structs.replace(before, version=before.version + 1, state="deleted")
        return KEYS.update(change, before, after, after.record(), "delete")

    saved, published = await save(console, caller, work)
    status(response, published, 200)
    return shown(saved, published)


async def _create(
    workspace: str, body: KeyIn, caller: Caller, console: Console, response: Response
) -> KeyOut:
    secret = new_key()
    row = KeyRow(
        id=new_id("key"),
        workspace=workspace,
        name=body.name,
        role=body.role,
        sha256=hashed(secret),
        hint=secret[-4:],
    )

    def work(change: Change) -> KeyRow:
        home(change, workspace)
        return KEYS.insert(change, row, row.record())

    saved, published = await save(console, caller, work)
    status(response, published, 201)
    return shown(saved, published, secret)
