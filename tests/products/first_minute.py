"""One event for a webhook of each product, at the real clock: its first minute is watched."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.products.journeys import Journey, Topics
from tests.products.raw import Connection, Raw, arrivals_ms, raw
from tests.system.shared import Shared, Tenant

MINUTE_S = 300
"""How long a busy machine may take for the 45 seconds that are looked at."""


class Seen(NamedTuple):
    """One delivery, and when its requests arrived."""

    journey: Journey
    arrived_ms: tuple[float, ...]


class Asked(NamedTuple):
    """One webhook: by which policy, and how many requests come within the minute."""

    policy: str
    requests: int
    more: dict[str, Any]


WEBHOOKS = {
    "standard": Asked("standard", 2, {}),
    "workestra": Asked("workestra", 3, {"secret": "your_webhook_secret"}),
    "prestavi": Asked("prestavi", 3, {"retry": {"delay_s": 15, "max_requests": 10}}),
    "maestra": Asked("maestra", 2, {"template": '{"id": "${WebhookRequest.TransactionalId}"}'}),
    "postpress": Asked("postpress", 3, {}),
    "prefinery": Asked("prefinery", 3, {}),
    "silent-prefinery": Asked("prefinery", 2, {}),
    "silent-postpress": Asked("postpress", 2, {}),
}
"""path -> webhook. Receivers answer 500; prefinery's hangs up, and the silent ones say nothing."""


class Minute:
    """Begun when made; `seen` waits for its end."""

    def __init__(self, products: Shared, receiver: Receiver, other: Raw) -> None:
        self._kafka = products.kafka
        self._receiver, self._other = receiver, other
        self._tenant = products.tenant()
        self._made = {at: self._webhook(self._tenant, at) for at in WEBHOOKS}
        self._event = self._tenant.send("contact.created")

    def _webhook(self, tenant: Tenant, at: str) -> str:
        asked = WEBHOOKS[at]
        silent = "prefinery" in at or "silent" in at
        root = self._other.url if silent else self._receiver.url
        made = tenant.webhook(f"{root}/{at}", name=at, policy=asked.policy, **asked.more)
        return str(made["id"])

    def _arrived(self, path: str) -> tuple[float, ...]:
        return arrivals_ms(f"/{path}", self._receiver, self._other)

    def seen(self) -> dict[str, Seen]:
        """path -> what came within the minute."""
        wait_until(
            lambda: all(len(self._arrived(at)) >= asked.requests for at, asked in WEBHOOKS.items()),
            MINUTE_S,
        )
        found = {each["webhook"]: each["id"] for each in self._tenant.deliveries(self._event)}
        topics = Topics(self._kafka)
        journeys = {at: topics.journey(found[made]) for at, made in self._made.items()}
        for webhook in self._made.values():
            self._tenant.call("DELETE", f"/v1/webhooks/{webhook}")
        return {at: Seen(journey, self._arrived(at)) for at, journey in journeys.items()}


@contextmanager
def begun(products: Shared, tls: ssl.SSLContext) -> Iterator[Minute]:
    """The minute, with receivers that last as long as the block."""
    receiver = Receiver(lambda _, __: (500, {}), tls)
    with raw(_odd) as other:
        yield Minute(products, receiver, other)
    receiver.close()


def _odd(connection: Connection) -> None:
    if connection.request.path.startswith("/silent"):
        connection.hold()
