"""An edit of a policy or an integration: its webhooks are saved and published anew with it."""

from collections.abc import Sequence

from msgspec.structs import replace

from hookstream.model.errors import Refusal
from hookstream.model.policy import Policy
from hookstream.store.change import Change
from hookstream.store.integrations import IntegrationRow
from hookstream.store.webhooks import WebhookRow
from services.console.problems import Problem
from services.console.rules import integration_of, policy_of
from services.console.verifying import keep

MOST_WEBHOOKS = 1000
"""So many webhooks at most can follow what is edited; all are published with it."""


def check_few(followers: Sequence[WebhookRow], what: str) -> None:
    """409 where more follow than one transaction should publish."""
    if len(followers) > MOST_WEBHOOKS:
        detail = f"more than {MOST_WEBHOOKS} webhooks follow this {what}"
        hint = f"make a new {what} and move the webhooks to it"
        raise Problem(409, f"{what}_too_used", detail, hint=hint)


def publish(
    change: Change,
    follower: WebhookRow,
    action: str,
    *,
    policy: Policy | None = None,
    shared: IntegrationRow | None = None,
    field: str | None = None,
) -> None:
    """One follower, a version later, with its policy and integration as they are now.

    `policy`, `shared`: the one that was edited. `field`: what a person changed of it.
    """
    rules = policy or policy_of(change, follower.workspace, follower.policy)
    integration = shared or integration_of(change, follower.workspace, follower.integration)
    after = replace(follower, version=follower.version + 1)
    keep(change, follower, after, rules, integration, action, field)


def check_fits(what: str, follower: WebhookRow, refusal: Refusal | None, field: str) -> None:
    """409 where a follower does not fit what was edited; says which one, and why."""
    if refusal is not None:
        detail = f"the webhook {follower.name} follows this {what}: {refusal.detail}"
        hint = f"change the webhook {follower.name} first"
        raise Problem(409, f"{what}_in_use", detail, field=field, hint=hint)
