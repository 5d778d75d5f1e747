"""Which policy a webhook follows: a built-in one, or one its workspace made."""

import difflib

from hookstream.model.policy import Policy
from hookstream.store.change import Change
from hookstream.store.policies import POLICIES
from hookstream.store.workspaces import WORKSPACES, WorkspaceRow
from services.console.builtin import builtin
from services.console.problems import Problem, not_found


def home(change: Change, workspace: str) -> WorkspaceRow:
    """The workspace, held for this transaction: writers of one workspace take turns, so none of
    them meets a policy or a name that changes under its hands."""
    found = WORKSPACES.lock(change, workspace, workspace)
    if found is None:
        raise not_found("workspace", workspace)
    return found


def policy_of(change: Change, workspace: str, policy: str, field: str = "policy") -> Policy:
    """The rules by id. 422 where the workspace has no such policy."""
    if policy in builtin():
        return builtin()[policy].rules
    row = POLICIES.lock(change, workspace, policy)
    if row is not None:
        return row.policy()
    near = difflib.get_close_matches(policy, list(builtin()), n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else "list them: GET /v1/policies"
    raise Problem(422, "unknown_policy", f"no policy {policy[:80]!r}", field=field, hint=hint)


def default_content_type(policy: str) -> str | None:
    """What webhooks made by the API carry unless they say otherwise."""
    found = builtin().get(policy)
    return found.content_type if found else "application/json"
