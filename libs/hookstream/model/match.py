"""Which webhooks an event goes to."""

from collections.abc import Iterable, Iterator

from hookstream.model.records import Event, Webhook, WebhookState

ROUTED: frozenset[WebhookState] = frozenset({"active", "paused", "disabled"})
"""A paused or disabled webhook still gets deliveries: they are parked, nothing is lost (W12)."""


def routes(webhooks: Iterable[Webhook], event: Event) -> Iterator[Webhook]:
    """The webhooks that get a delivery of the event, in the order given."""
    return (webhook for webhook in webhooks if matches(webhook, event))


def matches(webhook: Webhook, event: Event) -> bool:
    """Whether the webhook gets the event. One addressed by name goes to that webhook alone (P3)."""
    if webhook.state not in ROUTED or webhook.workspace != event.workspace:
        return False
    if event.webhook is not None:
        return webhook.name.lower() == event.webhook.lower()
    return wants(webhook.events, event.type)


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
    if webhook.state == "unverified":
        return "it is not verified yet"
    if webhook.state == "deleted":
        return "it was deleted"
    if event.webhook is not None:
        return f"the event is addressed to {event.webhook} alone"
    return f"it subscribes to {', '.join(webhook.events) or 'nothing'}, not to {event.type}"
