"""Workestra's promises about delivery: W6, W8, W9. Its schedule: test_schedules.py."""

import json
from threading import Event
from time import time_ns

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Answer, Got, Receiver
from tests.products.quickened import WITHIN_S, ended, quickened
from tests.system.shared import Shared

DISABLED_WITHIN_MS = 30_000
"""Fifteen times what is promised: a busy machine is given time."""


def test_w6_only_https(products: Shared, receiver: Receiver) -> None:
    tenant = products.tenant(default_policy="workestra")
    plain = receiver.url.replace("https://", "http://")
    answer = tenant.call("POST", "/v1/webhooks", {"url": plain})
    assert (answer.status_code, answer.json()["field"]) == (422, "url")
    assert "https://" in answer.json()["detail"]
    made = tenant.webhook(receiver.url, secret="your_webhook_secret")
    answer = tenant.call("PATCH", f"/v1/webhooks/{made['id']}", {"url": plain})
    assert (answer.status_code, answer.json()["field"]) == (422, "url")
    assert tenant.get(f"/v1/webhooks/{made['id']}")["url"] == receiver.url


def test_w8_a_retry_is_overtaken_and_carries_the_id_it_had(
    products: Shared, receiver: Receiver
) -> None:
    first, overtaken = "evt_first", Event()

    def rule(got: Got, before: int) -> Answer:
        if got.id != first:
            overtaken.set()
        elif not before:
            overtaken.wait(WITHIN_S)  # fails no sooner, so that its retry comes after the other
            return 500, {}
        return 200, {}

    receiver.rule = rule
    tenant = products.tenant()
    policy = quickened(tenant, "workestra", 10, deadline_ms=round(WITHIN_S * 1000))
    tenant.webhook(receiver.url + "/hook", policy=policy, secret="your_webhook_secret")
    tenant.publish(b'{"id":"evt_first","type":"deal.created","data":{"n":1}}')
    wait_until(lambda: receiver.got, WITHIN_S)
    tenant.publish(b'{"id":"evt_first","type":"deal.created","data":{"n":1}}')
    second = tenant.send("deal.updated", '{"n":2}')
    wait_until(lambda: len(receiver.got) == 3, WITHIN_S)
    ended(tenant, first)
    ended(tenant, second)
    assert receiver.ids() == [first, second, first], "published twice, it is one event"
    assert [json.loads(got.body)["id"] for got in receiver.got] == [first, second, first]
    assert receiver.got[0].body == receiver.got[2].body


def test_w9_after_five_failures_of_one_delivery_the_webhook_is_disabled(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    policy = quickened(tenant, "workestra", 500)
    receiver.rule = lambda got, _: (500 if got.path == "/bad" else 200, {})
    bad, good = (
        tenant.webhook(receiver.url + path, policy=policy, secret="your_webhook_secret")
        for path in ("/bad", "/good")
    )
    event = tenant.send("contact.created")
    tenant.in_state(bad["id"], "disabled")
    seen_ms = time_ns() / 1e6
    failed = ended(tenant, event, 2)[bad["id"]]
    assert (failed["state"], failed["reason"], failed["attempts"]) == ("failed", "exhausted", 5)
    last_ms = [got.at_ms for got in receiver.got if got.path == "/bad"][-1]
    assert seen_ms - last_ms <= DISABLED_WITHIN_MS
    assert tenant.get(f"/v1/webhooks/{bad['id']}")["state_reason"]
    later = tenant.send("contact.updated")
    states = {w: found["state"] for w, found in ended(tenant, later, 2).items()}
    assert states == {bad["id"]: "parked", good["id"]: "succeeded"}
    assert receiver.ids("/bad") == [event] * 5
    assert receiver.ids("/good") == [event, later]


def test_w9_failures_of_several_deliveries_are_not_added_up(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    policy = quickened(tenant, "workestra", 500)
    receiver.rule = lambda _, before: (500 if before < 4 else 200, {})
    made = tenant.webhook(receiver.url + "/hook", policy=policy, secret="your_webhook_secret")
    events = [tenant.send("contact.created") for _ in range(3)]
    for event in events:
        (found,) = ended(tenant, event).values()
        assert (found["state"], found["attempts"]) == ("succeeded", 5)
    assert tenant.get(f"/v1/webhooks/{made['id']}")["state"] == "active"
    assert len(receiver.got) == 15
