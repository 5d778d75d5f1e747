"""New deliveries that were asked for, by a person or a rule: they go out by the outbox."""

from hookstream.model.records import Delivery, Event, Kind, Webhook
from hookstream.model.schedule import give_up_at_ms
from hookstream.model.shards import lane_of


def first_turn(
    kind: Kind, id_: str, webhook: Webhook, event: Event, at_ms: int, reason: str
) -> Delivery:
    """The first turn of delivery `id_` of the event for the webhook, due at once.

    `at_ms` is the time of the request for it, and so the day of its rows (once.md 21).
    """
    return Delivery(
        id=id_,
        kind=kind,
        turn=1,
        webhook=webhook.id,
        webhook_version=webhook.version,
        lane=lane_of(webhook, event),
        event=event,
        due_at_ms=at_ms,
        give_up_at_ms=give_up_at_ms(webhook.policy, at_ms),
        logged_at_ms=at_ms,
        reason=reason,
    )
