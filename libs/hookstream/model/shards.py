"""Which lane a delivery belongs to: its webhook's, or one of those it is cut into (once.md 14)."""

from zlib import crc32

from hookstream.model.records import Event, Webhook


def lane_of(webhook: Webhook, event: Event) -> str:
    """The lane that `event` takes to `webhook`: events of one subject take the same one."""
    if webhook.shards <= 1:
        return webhook.lane
    return lane_for(webhook, event.subject, event.id)


def lane_for(webhook: Webhook, subject: str | None, event: str) -> str:
    """The same by an event's subject and id. Without a subject the id decides."""
    if webhook.shards <= 1:
        return webhook.lane
    about = event if subject is None else subject
    return f"{webhook.lane}/{crc32(about.encode()) % webhook.shards}"


def rate_of(webhook: Webhook) -> float | None:
    """Requests a second for one lane of the webhook; None: no limit."""
    return None if webhook.rate_per_s is None else webhook.rate_per_s / max(1, webhook.shards)


def ceiling_of(webhook: Webhook) -> int:
    """Requests in flight to the webhook in one of its lanes, at most."""
    most = webhook.max_in_flight if webhook.shards <= 1 else webhook.max_in_flight // webhook.shards
    return most or 1
