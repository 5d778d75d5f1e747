"""What a webhook's answer to its verification changes of it (W3); fenced by the version asked."""

import msgspec

from hookstream.model.records import Webhook
from hookstream.store.change import Change
from hookstream.store.webhooks import locked_version


def verified(change: Change, webhook: str, version: int) -> Webhook | None:
    """This version has answered as it should: its URL is verified, and the webhook active where it
    waited for that; the record as published. None where another version stands by now."""
    before = locked_version(change, webhook, version)
    if before is None:
        return None
    return _published(change, before)


def _published(change: Change, before: Webhook) -> Webhook:
    state = "active" if before.state == "unverified" else before.state
    after = msgspec.structs.replace(
        before, state=state, was_verified=True, version=before.version + 1
    )
    change.cursor.execute(
        "UPDATE webhooks SET verified_url = %s, version = %s, record = %s, changed_at = now(),"
        " state_reason = CASE WHEN state = 'unverified' THEN NULL ELSE state_reason END,"
        " state = %s WHERE id = %s",
        (after.url, after.version, change.configure(after), state, after.id),
    )
    changed = {"verified_url"} | ({"state", "state_reason"} if state != before.state else set())
    change.audit(
        "verify",
        "webhook",
        after.id,
        workspace=after.workspace,
        version=after.version,
        changed=changed,
    )
    return after


def not_verified(change: Change, webhook: str, version: int, why: str) -> None:
    """This version has not answered as it should: it stays unverified, and says why."""
    change.cursor.execute(
        "UPDATE webhooks SET state_reason = %s"
        " WHERE id = %s AND version = %s AND state = 'unverified'",
        (why, webhook, version),
    )
