"""New deliveries that were asked for, by a person or a rule: they go out by the outbox."""

from hookstream.model.records import Delivery, Event, Kind, Outcome, Result, Webhook
from hookstream.model.schedule import give_up_at_ms
from hookstream.model.shards import lane_for, lane_of


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


def ended_apart(
    webhook: Webhook,
    *,
    delivery: str,
    kind: Kind,
    event: str,
    event_type: str,
    subject: str | None,
    result: Result,
    reason: str,
    logged_at_ms: int,
    now_ms: int,
) -> Outcome:
    """The end of a delivery that no turn of it wrote: for the log, and for a rebuild (once.md 22).

    It stands in the partition of the delivery's lane and settles no turn.
    """
    return Outcome(
        workspace=webhook.workspace,
        delivery=delivery,
        kind=kind,
        turn=None,
        webhook=webhook.id,
        webhook_version=webhook.version,
        lane=lane_for(webhook, subject, event),
        event=event,
        event_type=event_type,
        subject=subject,
        result=result,
        reason=reason,
        logged_at_ms=logged_at_ms,
        ended_at_ms=now_ms,
    )
