"""postpress's webhooks by source (O3)."""

import json
from typing import Any

import httpx2

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.system.shared import Shared, Tenant

WITHIN_S = 60


def send(tenant: Tenant, number: int, type_: str, source: str | None) -> str:
    event: dict[str, Any] = {"type": type_, "data": {"number": number}}
    if source is not None:
        event["source"] = source
    answer = tenant.publish(json.dumps(event).encode())
    assert answer.status_code == 202, answer.text
    sent: str = answer.json()["id"]
    return sent


def numbers(receiver: Receiver, path: str) -> list[int]:
    got = [json.loads(got.body)["number"] for got in list(receiver.got) if got.path == path]
    return sorted(got)


def test_o3_a_webhook_with_only_a_source_gets_all_types_of_it_and_nothing_else(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="postpress")
    body = {"request_url": receiver.url + "/seed", "source": "messaging"}
    made = httpx2.post(
        f"{products.system.ports.console_url}/v1/webhooks",
        json=body,
        headers={"X-API-KEY": tenant.key, "accept": "application/json"},
        timeout=60,
    )
    assert made.status_code == 201, made.text
    webhook = made.json()
    assert (webhook["sources"], webhook["events"]) == (["messaging"], ["*"])
    tenant.webhook(receiver.url + "/all")
    tenant.webhook(receiver.url + "/two", sources=["email", "calendar"], events=["event.*"])
    sources = ["messaging", None, "email", "messaging", "Messaging", "calendar"]
    types = ["message.received", "message.received", "event.made", "event.made", "event.made"]
    for n, (type_, source) in enumerate(zip([*types, "account.gone"], sources, strict=True)):
        send(tenant, n, type_, source)
    wait_until(lambda: numbers(receiver, "/all") == list(range(6)), WITHIN_S)
    wait_until(lambda: numbers(receiver, "/seed") == [0, 3], WITHIN_S)
    wait_until(lambda: numbers(receiver, "/two") == [2], WITHIN_S)

    changed = tenant.call("PATCH", f"/v1/webhooks/{webhook['id']}", {"source": "calendar"})
    assert (changed.status_code, changed.json()["sources"]) == (200, ["calendar"]), changed.text
    send(tenant, 6, "account.gone", "calendar")
    send(tenant, 7, "account.gone", "messaging")
    wait_until(lambda: numbers(receiver, "/all") == list(range(8)), WITHIN_S)
    wait_until(lambda: numbers(receiver, "/seed") == [0, 3, 6], WITHIN_S)


def test_o3_an_event_of_another_source_says_why_it_went_nowhere(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="postpress")
    tenant.webhook(receiver.url + "/hook", sources=["messaging"])
    event = send(tenant, 1, "event.made", "calendar")
    wait_until(lambda: tenant.call("GET", f"/v1/log/events/{event}").status_code == 200, WITHIN_S)
    (missed,) = tenant.get(f"/v1/log/events/{event}")["not_matched"]
    assert missed["why"] == "it takes events of source messaging; this one has calendar"
    assert not receiver.got
