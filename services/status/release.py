"""What becomes of a parked delivery: pure records (once.md 22)."""

from hookstream.model.deliveries import first_turn
from hookstream.model.ids import released_id
from hookstream.model.records import Delivery, Event, Outcome, Result, Webhook
from hookstream.model.shards import lane_for
from hookstream.store.parked import Parked


def released(parked: Parked, event: Event, webhook: Webhook, now_ms: int) -> Delivery:
    """The new delivery of the event; releasing twice is the same delivery."""
    id_ = released_id(parked.delivery)
    return first_turn("release", id_, webhook, event, now_ms, "released")


def ended(parked: Parked, webhook: Webhook, result: Result, reason: str, now_ms: int) -> Outcome:
    """The end of the delivery that waited, for the log and for a rebuild. It settles no turn."""
    return Outcome(
        workspace=parked.workspace,
        delivery=parked.delivery,
        kind=parked.kind,
        turn=None,
        webhook=parked.webhook,
        webhook_version=webhook.version,
        lane=lane_for(webhook, parked.subject, parked.event),
        event=parked.event,
        event_type=parked.event_type,
        subject=parked.subject,
        result=result,
        reason=reason,
        logged_at_ms=parked.logged_at_ms,
        ended_at_ms=now_ms,
    )
