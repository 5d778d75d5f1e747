"""The first minute of each product's schedule at the real clock, all products at once.

Never early, and late by no more than journeys.py says; deadlines as they are promised.
"""

import ssl
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.products.journeys import Journey, Topics, check
from tests.products.raw import Connection, arrivals_ms, raw
from tests.system.shared import Shared, Tenant

MINUTE_S = 300
"""How long a busy machine may take for the 45 seconds that are looked at."""
SLOW_MS = 5_000


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


def odd(connection: Connection) -> None:
    if connection.request.path.startswith("/silent"):
        connection.hold()


@pytest.fixture(scope="module")
def minute(products: Shared, tls: ssl.SSLContext) -> Iterator[dict[str, Seen]]:
    """path -> what came within the first minute of one event."""
    receiver = Receiver(lambda _, __: (500, {}), tls)
    with raw(odd) as other:
        tenant = products.tenant()
        made = {at: _webhook(tenant, at, receiver.url, other.url) for at in WEBHOOKS}
        event = tenant.send("contact.created")

        def arrived(path: str) -> tuple[float, ...]:
            return arrivals_ms(f"/{path}", receiver, other)

        wait_until(
            lambda: all(len(arrived(at)) >= asked.requests for at, asked in WEBHOOKS.items()),
            MINUTE_S,
        )
        found = {each["webhook"]: each["id"] for each in tenant.deliveries(event)}
        topics = Topics(products.kafka)
        seen = {at: Seen(topics.journey(found[made[at]]), arrived(at)) for at in WEBHOOKS}
        for webhook in made.values():
            tenant.call("DELETE", f"/v1/webhooks/{webhook}")
    yield seen
    receiver.close()


def _webhook(tenant: Tenant, at: str, failing: str, other: str) -> str:
    asked = WEBHOOKS[at]
    root = other if "prefinery" in at or "silent" in at else failing
    made = tenant.webhook(f"{root}/{at}", name=at, policy=asked.policy, **asked.more)
    return str(made["id"])


@pytest.mark.parametrize(
    ("path", "delays_s", "jitter"),
    [
        ("standard", [5], 0.1),
        ("workestra", [5, 30], 0.0),
        ("prestavi", [15, 15], 0.0),
        ("maestra", [30], 0.0),
        ("postpress", [10, 30], 0.0),
        ("prefinery", [6, 21], 0.0),
        ("silent-prefinery", [6], 0.0),
        ("silent-postpress", [10], 0.0),
    ],
)
def test_the_first_delays_are_kept_at_the_real_clock(
    minute: dict[str, Seen], path: str, delays_s: list[int], jitter: float
) -> None:
    """W9, P6, M6, O2, F4."""
    journey, arrived_ms = minute[path]
    waits = journey.waits[: len(delays_s)]
    check(journey._replace(waits=waits), [s * 1000 for s in delays_s], jitter=jitter)
    assert len(arrived_ms) >= len(delays_s) + 1
    for wait, at_ms in zip(waits, arrived_ms[1:], strict=False):
        assert at_ms >= wait.due_at_ms


@pytest.mark.parametrize(
    ("path", "deadline_ms"), [("silent-prefinery", 15_000), ("silent-postpress", 30_000)]
)
def test_f3_o2_who_says_nothing_is_waited_for_until_the_deadline(
    minute: dict[str, Seen], path: str, deadline_ms: int
) -> None:
    first = minute[path].journey.attempts[0]
    assert first.error == "timeout_answer"
    assert deadline_ms <= first.duration_ms <= deadline_ms + SLOW_MS


def test_waits_of_seconds_pass_through_the_tiers(minute: dict[str, Seen]) -> None:
    assert minute["workestra"].journey.tiers[1][0] == "retry.20s"
    assert minute["maestra"].journey.tiers[0][0] == "retry.20s"
    assert minute["postpress"].journey.tiers[0][0] == "retry.5s"
    assert minute["prefinery"].journey.tiers[1][0] == "retry.10s", "21 s, and a second to spare"
