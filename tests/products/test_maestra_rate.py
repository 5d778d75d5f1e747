"""Maestra's rate of an integration (M2), and lanes cut into shards, on the running system."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from hookstream.model.records import Outcome
from hookstream.stream.topics import OUTCOMES
from tests.fixtures.kafka import read_all, wait_until
from tests.fixtures.receiver import Answer, Got, Receiver
from tests.system.shared import QUICK, Shared, Tenant

pytestmark = pytest.mark.alone

RATE = 50
WEBHOOKS = 10
EVENTS = 40
TESTS = 3
REQUESTS = EVENTS * WEBHOOKS + EVENTS + TESTS
"""Ten webhooks, one of which needs two attempts for each event, and three tests."""


def outcomes(products: Shared, tenant: Tenant) -> list[Outcome]:
    """All that ended in a workspace."""
    values = [seen.value for seen in read_all(products.kafka, OUTCOMES)]
    return [v for v in values if isinstance(v, Outcome) and v.workspace == tenant.workspace]


def send_times(ended: Sequence[Outcome]) -> list[int]:
    """When each request went out, by the sender's clock."""
    return sorted(each.attempt.started_at_ms for each in ended if each.attempt is not None)


def within(times: Sequence[float], window_ms: float) -> list[int]:
    """How many there are in the window that begins with each."""
    return [bisect_left(times, at + window_ms) - n for n, at in enumerate(times)]


def test_m2_a_rate_is_shared_by_all_webhooks_kept_and_used(
    products: Shared, receiver: Receiver
) -> None:
    """Retries and tests count too, and a change of the lane's owner adds nothing."""
    tenant = products.tenant()
    policy = tenant.post("/v1/policies", QUICK)["id"]
    body = {"name": "Crm", "root_url": receiver.url, "rate_per_s": RATE}
    integration = tenant.post("/v1/integrations", body)["id"]

    def rule(got: Got, before: int) -> Answer:
        return (500 if got.path == "/w0" and not before else 200), {}

    receiver.rule = rule
    hooks = [
        tenant.webhook(f"/w{n}", integration=integration, policy=policy)["id"]
        for n in range(WEBHOOKS)
    ]
    for _ in range(EVENTS):
        tenant.send("a.b")
    wait_until(lambda: len(receiver.got) >= RATE, 60)
    with ThreadPoolExecutor(TESTS) as pool:
        tested = pool.map(lambda hook: _tested(tenant, hook), hooks[-TESTS:])
        assert {each["status"] for each in tested} == {200}
    products.system.stop_service("deliverer")
    products.system.start_service("deliverer")
    wait_until(lambda: len(receiver.got) >= REQUESTS, 120)
    wait_until(lambda: len(send_times(outcomes(products, tenant))) >= REQUESTS, 60)

    sent = send_times(outcomes(products, tenant))
    for seconds in (1, 2, 5):
        assert max(within(sent, 1000 * seconds)) <= RATE * seconds
    assert max(within(sent, 2000)) >= 0.95 * RATE * 2, "there was a backlog"
    assert len({got.path for got in receiver.got[: RATE * 2]}) == WEBHOOKS, "they take turns"
    assert len(receiver.got) == REQUESTS


def _tested(tenant: Tenant, hook: str) -> dict[str, Any]:
    """What came of a test, also where that is not known at once."""
    answer = tenant.call("POST", f"/v1/webhooks/{hook}/test")
    assert answer.status_code in (200, 202), answer.text

    def over() -> dict[str, Any]:
        found = tenant.call("GET", answer.json()["where"])
        return dict(found.json()) if found.status_code == 200 and found.json()["ended"] else {}

    return wait_until(over)


def test_a_lane_is_cut_into_shards_by_subject_and_keeps_its_rate(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    schedule = {"kind": "list", "delays_ms": [5_000]}
    slower = {"name": "slower", "deadline_ms": 60_000, "schedule": schedule}
    policy = tenant.post("/v1/policies", slower)["id"]
    recut = Event()

    def rule(got: Got, before: int) -> Answer:
        if got.id != "late" or before:
            return 200, {}
        recut.wait(60)  # its retry comes after that
        return 500, {}

    receiver.rule = rule
    made = tenant.webhook(receiver.url, policy=policy, shards=4, rate_per_s=40)
    ids = [_sent(tenant, f"s{n}", f"contact/{n % 40}") for n in range(120)]
    wait_until(lambda: {got.id for got in receiver.got} == set(ids), 60)
    wait_until(lambda: len(send_times(outcomes(products, tenant))) >= len(ids))
    ended = outcomes(products, tenant)
    lanes = Counter(each.lane for each in ended)
    assert set(lanes) == {f"{made['id']}/{n}" for n in range(4)}
    by_subject = {(each.subject, each.lane) for each in ended}
    assert len(by_subject) == 40, "a subject has one lane"
    assert max(within(send_times(ended), 1000)) <= 40 + 4, "each of four may round up"

    _sent(tenant, "late", "contact/1")
    wait_until(lambda: len(receiver.got) == 121, 60)
    path = f"/v1/webhooks/{made['id']}"
    changed = tenant.call("PATCH", path, {"shards": 1})
    assert changed.status_code == 200, changed.text
    recut.set()
    wait_until(lambda: len(receiver.got) == 122, 60)
    wait_until(lambda: [d["state"] for d in tenant.deliveries("late")] == ["succeeded"], 60)
    moved = [each for each in outcomes(products, tenant) if each.event == "late"]
    moved.sort(key=lambda each: each.turn or 0)
    assert [each.result for each in moved] == ["retrying", "rekeyed", "succeeded"]
    assert moved[-1].lane == made["id"]


def _sent(tenant: Tenant, id_: str, subject: str) -> str:
    body = f'{{"id":"{id_}","type":"a.b","subject":"{subject}","data":{{}}}}'
    answer = tenant.publish(body.encode())
    assert answer.status_code == 202, answer.text
    return id_
