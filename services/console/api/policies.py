"""/v1/policies: delivery rules as data, built-in and of the workspace's own making."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from hookstream.model.policy import Policy
from hookstream.store.change import Change
from hookstream.store.policies import POLICIES, PolicyRow, row_of
from hookstream.store.webhooks import with_policy
from services.console.api.policy_bodies import PolicyChange, PolicyIn, checked
from services.console.builtin import builtin
from services.console.callers import Editor, Viewer
from services.console.context import ConsoleDep
from services.console.followers import MOST_WEBHOOKS, check_few, check_fits, publish
from services.console.fresh import new_id
from services.console.paging import Cursor, Limit, cursor_of, position
from services.console.problems import RESPONSES, Problem, not_found
from services.console.retries import unfit
from services.console.rules import home
from services.console.saving import check_version, save, status, versioned

router = APIRouter(prefix="/v1/policies", tags=["policies"], responses=RESPONSES)


class PolicyOut(BaseModel):
    """A policy. A built-in one cannot be changed."""

    id: str
    version: int
    name: str
    builtin: bool
    description: str = ""
    rules: Annotated[dict[str, Any], Field(description="As in POST, all fields")]
    publishing: bool = False


class Policies(BaseModel):
    """The built-in policies, on the first page, and a page of the workspace's own."""

    items: list[PolicyOut]
    next: str | None = None


def shown(policy: Policy, description: str = "", builtin: bool = False) -> PolicyOut:
    """A policy, as the API shows it."""
    rules = msgspec.to_builtins(policy)
    return PolicyOut(
        id=rules.pop("id"),
        version=rules.pop("version"),
        name=rules.pop("name"),
        builtin=builtin,
        description=description,
        rules=rules,
    )


@router.post("", status_code=201)
async def create(
    body: PolicyIn, caller: Editor, console: ConsoleDep, response: Response
) -> PolicyOut:
    """Make a policy of the workspace's own. What is left out is as in `standard`."""
    policy = checked(Policy(id=new_id("pol"), name=body.name), body)

    def work(change: Change) -> PolicyRow:
        home(change, caller.home)
        return POLICIES.insert(change, row_of(caller.home, policy))

    saved, _ = await save(console, caller, work)
    versioned(response, saved)
    return shown(saved.policy())


@router.get("")
def list_all(
    caller: Viewer, console: ConsoleDep, limit: Limit = 50, cursor: Cursor = ""
) -> Policies:
    """The policies a webhook of the workspace may follow."""
    after = position(cursor, str) or ("",)
    rows = POLICIES.page(console.pool, caller.home, after[0], limit + 1)
    ours = [] if cursor else [shown(b.rules, b.description, True) for b in builtin().values()]
    theirs = [shown(row.policy()) for row in rows[:limit]]
    more = cursor_of((rows[limit - 1].id,)) if len(rows) > limit else None
    return Policies(items=ours + theirs, next=more)


@router.get("/{policy}")
def get(policy: str, caller: Viewer, console: ConsoleDep, response: Response) -> PolicyOut:
    """One policy."""
    if found := builtin().get(policy):
        return shown(found.rules, found.description, True)
    row = POLICIES.get(console.pool, caller.home, policy)
    if row is None:
        raise not_found("policy", policy)
    versioned(response, row)
    return shown(row.policy())


@router.patch("/{policy}")
async def change(
    policy: str,
    body: PolicyChange,
    caller: Editor,
    console: ConsoleDep,
    request: Request,
    response: Response,
) -> PolicyOut:
    """Change a policy; its webhooks are published anew with it."""

    def work(change: Change) -> PolicyRow:
        before = _locked(change, caller.home, policy)
        check_version(request, before.version, body.version)
        old = before.policy()
        new = checked(msgspec.structs.replace(old, version=old.version + 1), body)
        saved = POLICIES.update(change, before, row_of(caller.home, new))
        _publish_followers(change, caller.home, old, new)
        return saved

    saved, published = await save(console, caller, work)
    status(response, published, 200)
    versioned(response, saved)
    return shown(saved.policy()).model_copy(update={"publishing": not published})


@router.delete("/{policy}")
async def delete(policy: str, caller: Editor, console: ConsoleDep) -> PolicyOut:
    """Delete a policy that no webhook follows."""

    def work(change: Change) -> PolicyRow:
        before = _locked(change, caller.home, policy)
        if with_policy(change, caller.home, policy, 1) or default_of(change, caller.home, policy):
            hint = "give its webhooks, or the workspace, another policy first"
            raise Problem(409, "policy_in_use", "webhooks follow this policy", hint=hint)
        after = msgspec.structs.replace(before, version=before.version + 1, state="deleted")
        return POLICIES.update(change, before, after, action="delete")

    saved, _ = await save(console, caller, work)
    return shown(saved.policy())


def default_of(change: Change, workspace: str, policy: str) -> bool:
    """Whether new webhooks of the workspace follow this policy."""
    return home(change, workspace).default_policy == policy


def _locked(change: Change, workspace: str, policy: str) -> PolicyRow:
    home(change, workspace)
    if policy in builtin():
        hint = "make one of your own: POST /v1/policies"
        raise Problem(409, "policy_builtin", "a built-in policy does not change", hint=hint)
    found = POLICIES.lock(change, workspace, policy)
    if found is None:
        raise not_found("policy", policy)
    return found


def _publish_followers(change: Change, workspace: str, old: Policy, new: Policy) -> None:
    followers = with_policy(change, workspace, new.id, MOST_WEBHOOKS + 1)
    check_few(followers, "policy")
    if followers and _is_stricter(old, new):
        hint = "make a new policy: its webhooks' secrets and URLs must fit it"
        detail = "signature.scheme and https_only stay while webhooks follow the policy"
        raise Problem(409, "policy_in_use", detail, field="signature.scheme", hint=hint)
    for follower in followers:
        check_fits("policy", follower, unfit(follower, new), "most_requests")
        publish(change, follower, "policy changed", policy=new, field="signature.header")


def _is_stricter(old: Policy, new: Policy) -> bool:
    return old.signature.scheme != new.signature.scheme or (new.https_only and not old.https_only)
