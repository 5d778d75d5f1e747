"""Operational events, end to end: all four, each once, and never to whom they are about."""

import json
from collections import Counter
from typing import Any

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Answer, Got, Receiver
from tests.system.shared import Shared, Tenant

WITHIN_S = 90
POLICY = {"name": "quick", "deadline_ms": 5_000, "signature": {"scheme": "none"}}


def a_policy(tenant: Tenant, name: str, requests: int, **more: Any) -> str:
    schedule = {"kind": "fixed", "delays_ms": [400], "max_requests": requests}
    made = tenant.post("/v1/policies", {**POLICY, "name": name, "schedule": schedule, **more})
    found: str = made["id"]
    return found


def told(receiver: Receiver, path: str) -> list[tuple[str, str]]:
    """(type, name of the webhook it is about) of each request."""
    bodies = [json.loads(got.body) for got in list(receiver.got) if got.path == path]
    return sorted((body["type"], body["data"].get("name", "")) for body in bodies)


def events(tenant: Tenant) -> Counter[str]:
    page = tenant.get("/v1/log/events?limit=100")
    assert all(event["repeats"] == 0 for event in page["items"])
    return Counter(event["type"] for event in page["items"])


def test_all_four_are_told_once_and_never_to_whom_they_are_about(
    products: Shared, receiver: Receiver
) -> None:
    def rule(got: Got, _: int) -> Answer:
        recovers = ("webhook.failing", "flaky") in told(receiver, "/watch")
        fails = {"/broken": True, "/deaf": True, "/flaky": not recovers}
        return 500 if fails.get(got.path) else 200, {}

    receiver.rule = rule
    tenant = products.tenant(unknown_types="refuse")
    tenant.post("/v1/event-types", {"name": "order.paid"})
    policies = {
        "broken": a_policy(tenant, "disabling", 5, disable_after_exhausted=True),
        "flaky": a_policy(tenant, "patient", 100),
        "deaf": a_policy(tenant, "once", 1),
    }
    asked = {
        "broken": ["order.*", "webhook.disabled", "delivery.*"],
        "flaky": ["order.paid"],
        "deaf": ["delivery.failed"],
        "watch": ["webhook.*", "delivery.failed"],
        "all": ["*"],
    }
    hooks = {
        name: tenant.webhook(
            f"{receiver.url}/{name}",
            name=name,
            events=patterns,
            policy=policies.get(name, "standard"),
        )["id"]
        for name, patterns in asked.items()
    }
    order = tenant.send("order.paid", '{"amount": 1.10}')
    wanted = [
        ("delivery.failed", "broken"),
        ("webhook.disabled", "broken"),
        ("webhook.failing", "broken"),
        ("webhook.failing", "flaky"),
        ("webhook.recovered", "flaky"),
    ]
    wait_until(lambda: told(receiver, "/watch") == wanted, WITHIN_S)
    failed = next(
        body["data"]
        for body in (json.loads(got.body) for got in receiver.got if got.path == "/watch")
        if body["type"] == "delivery.failed"
    )
    deliveries = wait_until(lambda: tenant.deliveries(order), WITHIN_S)
    delivery = next(d for d in deliveries if d["webhook"] == hooks["broken"])
    assert (failed["delivery"], failed["event"], failed["reason"], failed["status"]) == (
        delivery["id"], order, "exhausted", 500,
    )  # fmt: skip
    query = f"/v1/log/deliveries?webhook={hooks['deaf']}&state=failed"
    wait_until(lambda: tenant.get(query)["items"], WITHIN_S)

    last = tenant.send("order.paid", '{"amount": 2}')
    wait_until(lambda: tenant.deliveries(last), WITHIN_S)
    assert told(receiver, "/watch") == wanted, "what failed to be told is not told of"
    assert set(told(receiver, "/broken")) == {("order.paid", "")}, "never about itself"
    assert set(told(receiver, "/all")) == {("order.paid", "")}, "`*` does not ask for them"
    assert told(receiver, "/deaf") == [("delivery.failed", "broken")]
    logged = Counter(type_ for type_, _ in wanted) + Counter({"order.paid": 2})
    wait_until(lambda: events(tenant) == logged, WITHIN_S)
    about = tenant.get(f"/v1/log/events?subject={hooks['flaky']}")["items"]
    assert [event["source"] for event in about] == ["hookstream"] * 2


def test_an_operational_type_may_be_named_where_unknown_types_are_refused(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(unknown_types="refuse")
    made = tenant.call("POST", "/v1/webhooks", {"url": receiver.url, "events": ["webhook.failing"]})
    assert made.status_code == 201, made.text
    made = tenant.call("POST", "/v1/webhooks", {"url": receiver.url, "events": ["webhook.faling"]})
    assert (made.status_code, made.json()["code"]) == (422, "unknown_type")
