"""Workestra's promises about the life of a webhook: W3, W10, W11."""

import hashlib
import hmac
import json
from typing import Any

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.system.shared import Shared, Tenant

SECRET = "your_webhook_secret"
PRINTED = """{
"type": "endpoint.verify",
"id": "evt_test_123",
"created_at": "2024-03-15T10:00:00Z"
}"""
"""The verification as the documentation prints it."""
SAMPLE = {"id": "con_def456", "first_name": "John", "company": "Acme Corp"}


def unverified(tenant: Tenant, url: str, **more: Any) -> dict[str, Any]:
    """A new webhook, not waited for."""
    made: dict[str, Any] = tenant.post("/v1/webhooks", {"url": url, "secret": SECRET, **more})
    assert made["state"] == "unverified"
    return made


def test_w3_a_new_webhook_is_asked_at_once_by_the_printed_event_signed(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="workestra")
    made = unverified(tenant, receiver.url + "/webhooks/workestra")
    active = tenant.in_state(made["id"], "active")
    assert active["state_reason"] is None
    (got,) = receiver.verifications
    told = json.loads(got.body)
    printed = json.loads(PRINTED)
    assert list(told) == list(printed)
    assert told["id"].startswith("evt_test_")
    assert len(told["created_at"]) == len(printed["created_at"])
    assert told["created_at"].endswith("Z")
    expected = json.dumps(printed | told, separators=(",", ":")).encode()
    assert got.body == expected
    digest = hmac.new(SECRET.encode(), got.body, hashlib.sha256).hexdigest()
    assert got.headers["x-workestra-signature"] == f"sha256={digest}"
    assert (got.method, got.path) == ("POST", "/webhooks/workestra")
    assert receiver.got == []


def test_w3_nothing_is_routed_until_it_answered_200_and_it_can_be_asked_again(
    products: Shared, receiver: Receiver
) -> None:
    receiver.verify = lambda _, before: (204 if before == 0 else 500, {})
    tenant = products.tenant(default_policy="workestra")
    id_ = unverified(tenant, receiver.url + "/hook")["id"]
    path = f"/v1/webhooks/{id_}"
    wait_until(lambda: tenant.get(path)["state_reason"] == "its verification was answered 204", 60)
    before = tenant.send("contact.created")
    wait_until(lambda: tenant.call("GET", f"/v1/log/events/{before}").status_code == 200, 60)
    assert [m["why"] for m in tenant.get(f"/v1/log/events/{before}")["not_matched"]] == [
        "it is not verified yet"
    ]
    asked = tenant.post(f"{path}/verify", status=200)
    assert (asked["status"], asked["state"], asked["webhook_state"]) == (
        500,
        "failed",
        "unverified",
    )
    assert tenant.get(path)["state_reason"] == "its verification was answered 500"
    receiver.verify = lambda _, __: (200, {})
    asked = tenant.post(f"{path}/verify", status=200)
    assert (asked["status"], asked["state"], asked["webhook_state"]) == (200, "succeeded", "active")
    assert len(receiver.verifications) == 3, "one request each, never repeated"
    after = tenant.send("contact.created")
    wait_until(lambda: receiver.got, 60)
    assert receiver.ids() == [after]
    assert tenant.deliveries(before) == []


def test_w3_another_url_must_answer_too_and_what_comes_meanwhile_waits(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="workestra")
    made = tenant.webhook(receiver.url + "/old", secret=SECRET)
    path = f"/v1/webhooks/{made['id']}"
    receiver.verify = lambda _, __: (503, {})
    changed = tenant.call("PATCH", path, {"url": receiver.url + "/new"})
    assert (changed.status_code, changed.json()["state"]) == (200, "unverified")
    event = tenant.send("contact.created")
    wait_until(lambda: [d["state"] for d in tenant.deliveries(event)] == ["parked"], 60)
    wait_until(lambda: [got.path for got in receiver.verifications] == ["/old", "/new"])
    receiver.verify = lambda _, __: (200, {})
    assert tenant.post(f"{path}/verify", status=200)["webhook_state"] == "active"
    wait_until(lambda: receiver.got, 60)
    assert [(got.path, got.id) for got in receiver.got] == [("/new", event)]


def test_w3_a_webhook_made_paused_is_asked_when_it_is_resumed(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="workestra")
    made = tenant.webhook(receiver.url + "/hook", secret=SECRET, state="paused")
    assert (made["state"], receiver.verifications) == ("paused", [])
    resumed = tenant.post(f"/v1/webhooks/{made['id']}/resume", status=200)
    assert resumed["state"] == "unverified"
    tenant.in_state(made["id"], "active")
    for step in ("pause", "resume"):
        tenant.post(f"/v1/webhooks/{made['id']}/{step}", status=200)
    assert tenant.get(f"/v1/webhooks/{made['id']}")["state"] == "active"
    assert len(receiver.verifications) == 1, "its URL has answered once and for all"


def test_w3_other_policies_verify_nothing_and_resolve_nothing(products: Shared) -> None:
    tenant = products.tenant(default_policy="standard")
    made = tenant.webhook("https://no-such-host.invalid/hook")
    assert made["state"] == "active"
    refused = tenant.call("POST", f"/v1/webhooks/{made['id']}/verify")
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_verify")
    assert tenant.get("/v1/log/deliveries")["items"] == []


def test_w10_send_test_sends_the_sample_of_a_type_and_shows_what_was_answered(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda _, __: (201, {"X-Seen": "yes"}, b"thank you")
    tenant = products.tenant(default_policy="workestra")
    tenant.post("/v1/event-types", {"name": "contact.created", "sample": SAMPLE})
    made = tenant.webhook(receiver.url + "/hook", secret=SECRET, events=["contact.*"])
    told = tenant.post(f"/v1/webhooks/{made['id']}/test", status=200)
    assert (told["ended"], told["state"], told["status"]) == (True, "succeeded", 201)
    assert (told["body"], told["event_type"]) == ("thank you", "contact.created")
    assert ["X-Seen", "yes"] in told["headers"]
    assert told["duration_ms"] >= 0
    (got,) = receiver.got
    sent = json.loads(got.body)
    assert (sent["type"], sent["id"], sent["data"]) == ("contact.created", told["event"], SAMPLE)
    assert sent["id"].startswith("evt_test_")
    digest = hmac.new(SECRET.encode(), got.body, hashlib.sha256).hexdigest()
    assert got.headers["x-workestra-signature"] == f"sha256={digest}"
    other = {"event_type": "deal.won", "data": {"amount": 7}}
    tenant.post(f"/v1/webhooks/{made['id']}/test", other, status=200)
    sent = json.loads(receiver.got[1].body)
    assert (sent["type"], sent["data"]) == ("deal.won", {"amount": 7})
    assert tenant.get(told["where"])["status"] == 201


def test_w10_a_test_goes_whatever_the_state_and_changes_nothing(
    products: Shared, receiver: Receiver
) -> None:
    """One request each: no retry, no disabling, not in the statistics."""
    receiver.rule = lambda _, __: (500, {})
    receiver.verify = lambda got, _: (500 if got.path == "/unverified" else 200, {})
    tenant = products.tenant(default_policy="workestra")
    unanswered = unverified(tenant, receiver.url + "/unverified")["id"]
    active = tenant.webhook(receiver.url + "/active", secret=SECRET)["id"]
    paused = tenant.webhook(receiver.url + "/paused", secret=SECRET, state="paused")["id"]
    disabled = tenant.webhook(receiver.url + "/disabled", secret=SECRET)["id"]
    tenant.post(f"/v1/webhooks/{disabled}/disable", status=200)
    states = {active: "active", unanswered: "unverified", paused: "paused", disabled: "disabled"}
    for id_, state in states.items():
        told = tenant.post(f"/v1/webhooks/{id_}/test", {"event_type": "deal.won"}, status=200)
        assert (told["state"], told["status"], told["webhook_state"]) == ("failed", 500, state)
    for id_, state in states.items():
        seen = tenant.get(f"/v1/webhooks/{id_}")
        assert (seen["state"], seen["last_delivery"]) == (state, None)
    rows = tenant.get("/v1/log/deliveries")["items"]
    tests = [row for row in rows if row["kind"] == "test"]
    assert [(row["attempts"], row["next_due_at"]) for row in tests] == [(1, None)] * 4
    assert len(receiver.got) == 4


def test_w10_a_failure_without_an_answer_is_told_in_words(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    policy = tenant.post("/v1/policies", {"name": "quick", "deadline_ms": 5_000})["id"]
    hung = tenant.webhook(receiver.url + "/hung", policy=policy)
    nobody = tenant.webhook("https://localhost:1/hook", policy=policy)
    receiver.rule = lambda _, __: None
    silent = tenant.post(f"/v1/webhooks/{hung['id']}/test", status=200)
    refused = tenant.post(f"/v1/webhooks/{nobody['id']}/test", status=200)
    assert (silent["status"], silent["error"]) == (None, "timeout_answer")
    assert silent["detail"] == "no answer in time: answer first, work later"
    assert (refused["status"], refused["error"]) == (None, "connection_refused")
    assert refused["detail"] == "connection refused: nothing listens on that port"


def test_w11_the_list_shows_url_events_status_and_the_last_delivery(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda got, _: (200 if got.path == "/good" else 404, {})
    tenant = products.tenant(default_policy="workestra")
    good = tenant.webhook(receiver.url + "/good", secret=SECRET, events=["deal.won"])
    fresh = tenant.webhook(receiver.url + "/fresh", secret=SECRET, events=["deal.lost"])

    def listed() -> dict[str, Any]:
        return {row["id"]: row for row in tenant.get("/v1/webhooks")["items"]}

    def last_of_good() -> Any:
        return (listed()[good["id"]]["last_delivery"] or {}).get("event")

    first = tenant.send("deal.won")
    wait_until(lambda: last_of_good() == first, 60)
    last = tenant.send("deal.won")
    wait_until(lambda: last_of_good() == last, 60)
    shown = listed()[good["id"]]
    assert (shown["url"], shown["events"]) == (receiver.url + "/good", ["deal.won"])
    assert (shown["state"], shown["last_delivery"]["state"]) == ("active", "succeeded")
    (delivery,) = wait_until(lambda: tenant.deliveries(last))
    assert shown["last_delivery"]["at"] == delivery["ended_at"]
    assert shown["last_delivery"] == tenant.get(f"/v1/webhooks/{good['id']}")["last_delivery"]
    assert listed()[fresh["id"]]["last_delivery"] is None
    tenant.post(f"/v1/webhooks/{fresh['id']}/disable", status=200)
    assert listed()[fresh["id"]]["state"] == "disabled"
