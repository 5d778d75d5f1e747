"""POST /v1/workspaces/{id}/console-links: a link into the pages that works once."""

from fastapi import APIRouter, Request
from pydantic import BaseModel

from hookstream.model.records import Role
from hookstream.store import logins
from hookstream.store.change import Change
from services.console.api.workspaces import visible
from services.console.bodies import Body
from services.console.callers import Anyone, hashed
from services.console.context import ConsoleDep
from services.console.fresh import new_token
from services.console.problems import RESPONSES
from services.console.rules import home
from services.console.saving import save

router = APIRouter(prefix="/v1/workspaces", tags=["workspaces"], responses=RESPONSES)


class LinkIn(Body):
    """For whom."""

    role: Role = "viewer"


class LinkOut(BaseModel):
    """Open it in a browser; it works once."""

    url: str
    lasts_s: int


@router.post("/{workspace}/console-links", status_code=201)
async def create(
    workspace: str, body: LinkIn, caller: Anyone, console: ConsoleDep, request: Request
) -> LinkOut:
    """Make a link into the pages, by the operator or an admin of the workspace."""
    visible(caller, workspace)
    token, lasts_s = new_token(), console.settings.link_lasts_s

    def work(change: Change) -> None:
        home(change, workspace)
        logins.put(change, "link", hashed(token), workspace, body.role, lasts_s)
        change.audit("link", "workspace", workspace, workspace=workspace, version=0)

    await save(console, caller, work)
    root = (console.settings.public_url or str(request.base_url)).rstrip("/")
    return LinkOut(url=f"{root}/?token={token}", lasts_s=lasts_s)
