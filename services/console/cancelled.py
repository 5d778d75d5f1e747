"""Deleting a webhook ends what waits for it, in the same transaction (once.md 22)."""

from hookstream.model.records import Outcome, Webhook
from hookstream.model.shards import lane_for
from hookstream.store import parked
from hookstream.store.change import Change
from services.console.fresh import now_ms

_AT_ONCE = 1000


def cancel_parked(change: Change, webhook: Webhook) -> None:
    """Each parked delivery of the webhook ends as cancelled, told on the topic outcomes."""
    while waiting := parked.take(change.cursor, webhook.id, _AT_ONCE):
        for each in waiting:
            told = _outcome(each, webhook)
            change.tell("outcomes", told.lane, told)


def _outcome(waiting: parked.Parked, webhook: Webhook) -> Outcome:
    return Outcome(
        workspace=waiting.workspace,
        delivery=waiting.delivery,
        kind=waiting.kind,
        turn=None,
        webhook=waiting.webhook,
        webhook_version=webhook.version,
        lane=lane_for(webhook, waiting.subject, waiting.event),
        event=waiting.event,
        event_type=waiting.event_type,
        subject=waiting.subject,
        result="cancelled",
        reason="webhook_deleted",
        logged_at_ms=waiting.logged_at_ms,
        ended_at_ms=now_ms(),
    )
