"""Which webhooks an event goes to."""

from collections.abc import Iterable, Iterator, Sequence

from hookstream.model.operational import asks_for, is_about, is_operational
from hookstream.model.records import Event, Webhook, WebhookState

ROUTED: frozenset[WebhookState] = frozenset({"active", "paused", "disabled"})
"""A paused or disabled webhook still gets deliveries: they are parked, nothing is lost (W12)."""


def routes(webhooks: Iterable[Webhook], event: Event) -> Iterator[Webhook]:
    """The webhooks that get a delivery of the event, in the order given."""
    return (webhook for webhook in webhooks if matches(webhook, event))


def matches(webhook: Webhook, event: Event) -> bool:
    """Whether the webhook gets the event. One addressed by name goes to that webhook alone (P3)."""
    if webhook.workspace != event.workspace or not is_routed(webhook):
        return False
    if event.webhook is not None:
        return webhook.name.lower() == event.webhook.lower()
    if not comes_from(webhook.sources, event.source):
        return False
    if is_operational(event.id, event.type):
        return asks_for(webhook.events, event.type) and not is_about(webhook, event)
    return wants(webhook.events, event.type)


def comes_from(sources: Sequence[str], source: str | None) -> bool:
    """Whether a webhook of these sources takes an event of that one; no sources: any (O3)."""
    return not sources or source in sources


def is_routed(webhook: Webhook) -> bool:
    """Whether it gets deliveries at all. One that must verify again keeps what comes for it."""
    if webhook.state in ROUTED:
        return True
    return webhook.state == "unverified" and webhook.was_verified


def wants(patterns: Iterable[str], event_type: str) -> bool:
    """Whether any pattern names the type: `*` for all, `contact.*` for any ending, else equal."""
    for pattern in patterns:
        if pattern == event_type or pattern == "*":
            return True
        if pattern.endswith("*") and event_type.startswith(pattern[:-1]):
            return True
    return False


def why_not(webhook: Webhook, event: Event) -> str:
    """One sentence for a person on why the event does not go there; empty where it does."""
    if matches(webhook, event):
        return ""
    if webhook.workspace != event.workspace:
        return "it belongs to another workspace"
    if webhook.state == "unverified" and not webhook.was_verified:
        return "it is not verified yet"
    if webhook.state == "deleted":
        return "it was deleted"
    if event.webhook is not None:
        return f"the event is addressed to {event.webhook} alone"
    if not comes_from(webhook.sources, event.source):
        given = "none" if event.source is None else event.source
        return f"it takes events of source {' or '.join(webhook.sources)}; this one has {given}"
    if is_operational(event.id, event.type):
        if is_about(webhook, event):
            return "the event is about this webhook, which is never told of itself"
        return f"it does not ask for {event.type} by name; * stands for a product's own events"
    return f"it subscribes to {', '.join(webhook.events) or 'nothing'}, not to {event.type}"
