"""The products' whole schedules, at a clock on which policies and tiers run 6,000 times as fast:
two days of waiting pass through the real tiers in half a minute, all products at once.

Requests, due times and tiers are held against each product's promise: W9, F4, P6, M6, O2. The first
minute of each at the real clock is in test_schedules_first_minute.py.
"""

import ssl
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.postgres import EmbeddedPostgres
from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.products.first_minute import Minute
from tests.products.journeys import Journey, Topics, check
from tests.products.quickened import quickened
from tests.products.raw import arrivals_ms, raw
from tests.system.shared import Tenant, shared

pytestmark = pytest.mark.alone

FASTER = 6_000
SCALE = 1 / FASTER
PRESTAVI_MS = 1_000
"""What the webhook asked for: an hour and forty minutes on this clock."""
OVER_WITHIN_S = 240
MOSTLY_LATE_MS = 1_000
"""Ten times what is promised for nearly all."""


class Course(NamedTuple):
    """What came of one product's delivery."""

    journey: Journey
    arrivals_ms: tuple[float, ...]
    """When its requests arrived, by the receiver's notes."""
    state: str
    webhook_state: str


@pytest.fixture(scope="module")
def courses(
    broker: EmbeddedKafka,
    postgres: EmbeddedPostgres,
    authority: tuple[Path, Path],
    tls: ssl.SSLContext,
    minute_begun: Minute,
) -> Iterator[dict[str, Course]]:
    """product -> what came of one event to a receiver that always fails."""
    del minute_begun  # it passes meanwhile
    environ = {"SSL_CERT_FILE": str(authority[0]), "HOOKSTREAM_RETRY_SCALE": f"{SCALE:.8f}"}
    receiver = Receiver(lambda _, __: (500, {}), tls)
    with shared(broker, postgres, **environ) as system, raw(lambda _: None) as closing:
        tenant = system.tenant()
        made = _webhooks(tenant, receiver.url, closing.url)
        event = tenant.send("contact.created")
        wait_until(lambda: _all_failed(tenant, event, len(made)), OVER_WITHIN_S)
        topics = Topics(system.kafka)
        found = {each["webhook"]: each for each in tenant.deliveries(event)}
        yield {
            product: Course(
                topics.journey(found[webhook]["id"]),
                arrivals_ms(f"/{product}", receiver, closing),
                found[webhook]["state_name"],
                tenant.get(f"/v1/webhooks/{webhook}")["state"],
            )
            for product, webhook in made.items()
        }
    receiver.close()


def _webhooks(tenant: Tenant, failing: str, closing: str) -> dict[str, str]:
    """product -> its webhook, by a policy that is the product's but for the clock."""
    own: dict[str, dict[str, Any]] = {
        "workestra": {"secret": "your_webhook_secret"},
        "prestavi": {"retry": {"delay_s": PRESTAVI_MS / 1000, "max_requests": 10}},
        "maestra": {"template": '{"id": "${WebhookRequest.TransactionalId}"}'},
    }
    made = {}
    for product in ("standard", "workestra", "prefinery", "prestavi", "maestra", "postpress"):
        policy = quickened(tenant, product, FASTER)
        url = f"{closing if product == 'prefinery' else failing}/{product}"
        webhook = tenant.webhook(url, name=product, policy=policy, **own.get(product, {}))
        made[product] = str(webhook["id"])
    return made


def _all_failed(tenant: Tenant, event: str, count: int) -> bool:
    return [d["state"] for d in tenant.deliveries(event)] == ["failed"] * count


def kept(course: Course, delays_s: list[float], jitter: float = 0.0) -> None:
    """The requests came after these delays, through the tiers, and then no more."""
    delays_ms = [delay_s * 1000 / FASTER for delay_s in delays_s]
    check(course.journey, delays_ms, SCALE, jitter)
    assert len(course.journey.attempts) == len(course.arrivals_ms) == len(delays_s) + 1
    for wait, arrived_ms in zip(course.journey.waits, course.arrivals_ms[1:], strict=True):
        assert arrived_ms >= wait.due_at_ms
    assert (course.journey.last.result, course.journey.last.reason) == ("failed", "exhausted")
    assert course.webhook_state in ("active", "disabled")


def test_f4_sixteen_requests_after_five_seconds_and_n_to_the_fourth(
    courses: dict[str, Course],
) -> None:
    course = courses["prefinery"]
    kept(course, [5 + n**4 for n in range(1, 16)])
    assert (course.state, course.webhook_state) == ("failed", "active")
    assert {a.error for a in course.journey.attempts} == {"connection_lost"}


def test_w9_five_requests_then_the_webhook_is_disabled(courses: dict[str, Course]) -> None:
    kept(courses["workestra"], [5, 30, 120, 600])
    assert courses["workestra"].webhook_state == "disabled"


def test_p6_ten_requests_at_the_delay_that_was_asked_for(courses: dict[str, Course]) -> None:
    kept(courses["prestavi"], [PRESTAVI_MS / 1000 * FASTER] * 9)


def test_m6_three_repeats_of_the_same_transaction(courses: dict[str, Course]) -> None:
    kept(courses["maestra"], [30, 90, 210])
    assert courses["maestra"].webhook_state == "active"


def test_o2_six_requests_at_growing_delays(courses: dict[str, Course]) -> None:
    kept(courses["postpress"], [10, 30, 120, 600, 1800])
    assert courses["postpress"].webhook_state == "active"


def test_our_own_standard_takes_eight_requests_a_little_spread(courses: dict[str, Course]) -> None:
    kept(courses["standard"], [5, 300, 1800, 7200, 18_000, 36_000, 50_400], jitter=0.1)


def test_requests_go_out_when_they_are_due(courses: dict[str, Course]) -> None:
    """Each by itself may be late by what journeys.py says; most of them are on time."""
    waits = [wait for course in courses.values() for wait in course.journey.waits]
    late_ms = [wait.after.started_at_ms - wait.due_at_ms for wait in waits if wait.after]
    assert len(late_ms) == len(waits) == 43
    assert statistics.median(late_ms) <= MOSTLY_LATE_MS
