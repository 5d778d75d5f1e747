"""Operational events: what Hookstream itself has to tell a workspace about its webhooks. Pure.

They are events of the workspace like any other, told apart by id and type together, so that a
product may have a `delivery.failed` of its own. Their subject is the webhook they are about.
"""

from collections.abc import Iterable
from typing import Final, Literal

from hookstream.model.ids import OPERATIONAL
from hookstream.model.records import Event, Webhook

DISABLED: Final = "webhook.disabled"
FAILING: Final = "webhook.failing"
RECOVERED: Final = "webhook.recovered"
DELIVERY_FAILED: Final = "delivery.failed"

OperationalType = Literal[
    "webhook.disabled", "webhook.failing", "webhook.recovered", "delivery.failed"
]
TYPES: frozenset[str] = frozenset({DISABLED, FAILING, RECOVERED, DELIVERY_FAILED})
SOURCE = "hookstream"
"""The source that all of them carry."""


def is_operational(event: str, event_type: str) -> bool:
    """Whether the event of this id and type is one that Hookstream raised."""
    return event_type in TYPES and event.startswith(OPERATIONAL)


def asks_for(patterns: Iterable[str], event_type: str) -> bool:
    """Whether a webhook asked for an operational type: by its name, or as `webhook.*` and
    `delivery.*`. `*` alone, which stands for a product's own events, does not."""
    family = event_type.partition(".")[0] + ".*"
    return any(pattern in (event_type, family) for pattern in patterns)


def is_about(webhook: Webhook, event: Event) -> bool:
    """Whether an operational event tells of this webhook, which therefore never gets it."""
    return event.subject == webhook.id
