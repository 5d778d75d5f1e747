"""Which policy a webhook follows: a built-in one, or one its workspace made."""

import difflib

from hookstream.model.policy import Policy
from hookstream.model.records import Webhook
from hookstream.store.change import Change
from hookstream.store.integrations import INTEGRATIONS, IntegrationRow
from hookstream.store.policies import POLICIES
from hookstream.store.webhooks import WebhookRow
from hookstream.store.workspaces import WORKSPACES, WorkspaceRow
from services.console.builtin import builtin
from services.console.compile import compile_webhook
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


def integration_of(
    change: Change, workspace: str, integration: str | None
) -> IntegrationRow | None:
    """The integration by id, None where none is named. 422 where the workspace has no such."""
    if integration is None:
        return None
    row = INTEGRATIONS.lock(change, workspace, integration)
    if row is None:
        hint = "list them: GET /v1/integrations"
        detail = f"no integration {integration[:80]!r}"
        raise Problem(422, "unknown_integration", detail, field="integration", hint=hint)
    return row


def record_of(change: Change, row: WebhookRow) -> Webhook:
    """The record that stands for `row`, by its policy and integration as they are now."""
    policy = policy_of(change, row.workspace, row.policy)
    return compile_webhook(row, policy, integration_of(change, row.workspace, row.integration))


def default_content_type(policy: str) -> str | None:
    """What webhooks made by the API carry unless they say otherwise."""
    found = builtin().get(policy)
    return found.content_type if found else "application/json"
