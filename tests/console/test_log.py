"""/v1/log: what is found, in which order, and why an event went nowhere."""

import pytest

from hookstream.model.ids import delivery_id
from hookstream.model.records import Delivery
from hookstream.store import outbox
from tests.console.conftest import Two
from tests.console.logged import log_dead, log_delivery, log_event, log_something
from tests.console.test_webhooks import URL, refused


@pytest.fixture
def webhook(two: Two) -> str:
    """A webhook of ours."""
    return str(two.ours.made("/v1/webhooks", {"url": URL, "name": "orders"})["id"])


def told(two: Two, topic: str) -> list[object]:
    with two.pool.connection() as connection:
        return [r.decoded() for r in outbox.oldest(connection, 999) if r.topic == topic]


def test_an_event_is_shown_with_its_payload_unchanged_and_its_deliveries(
    two: Two, webhook: str
) -> None:
    delivery, event = log_something(two.pool, "ours", webhook)
    answer = two.ours.call("GET", f"/v1/log/events/{event}")
    assert b'"data":{"price": 1.10}' in answer.content
    body = answer.json()
    assert [each["id"] for each in body["deliveries"]] == [delivery]
    assert body["deliveries"][0]["webhook_name"] == "orders"
    assert body["not_matched"] == []


def test_an_event_that_matched_nothing_says_why_by_todays_configuration(two: Two) -> None:
    two.ours.made("/v1/webhooks", {"url": URL, "name": "orders", "events": ["order.*"]})
    event = log_event(two.pool, "ours")
    body = two.ours.call("GET", f"/v1/log/events/{event}").json()
    assert body["deliveries"] == []
    assert "today's configuration" in body["note"]
    (missed,) = body["not_matched"]
    assert missed["name"] == "orders"
    assert missed["why"] == "it subscribes to order.*, not to contact.created"


def test_deliveries_come_newest_first_in_pages_and_by_filter(two: Two, webhook: str) -> None:
    made = [log_something(two.pool, "ours", webhook)[0] for _ in range(4)]
    failed, _ = log_something(two.pool, "ours", webhook, result="failed", subject="c-2")
    found, cursor = [], ""
    while True:
        body = two.ours.call("GET", f"/v1/log/deliveries?limit=2&cursor={cursor}").json()
        found += [each["id"] for each in body["items"]]
        cursor = body["next"]
        if cursor is None:
            break
    assert found == [failed, *reversed(made)]

    def ids(query: str) -> list[str]:
        items = two.ours.call("GET", f"/v1/log/deliveries?{query}").json()["items"]
        return [each["id"] for each in items]

    assert ids("state=failed") == ids("subject=c-2") == ids(f"webhook={webhook}&state=failed")
    assert ids("state=failed") == [failed]
    assert len(ids("state=succeeded")) == 4
    assert ids("subject=c-2&state=succeeded") == []
    assert ids("event_type=other") == ids("webhook=other") == []
    assert ids("from=2100-01-01T00:00:00Z") == ids("till=2020-01-01") == []
    assert len(ids("from=2020-01-01&till=2100-01-01")) == 5
    refused(two.ours.call("GET", "/v1/log/deliveries?state=odd"), 422, "literal_error", "state")


def test_events_are_found_by_type_and_subject(two: Two) -> None:
    first = log_event(two.pool, "ours", type="a.b", subject="s")
    second = log_event(two.pool, "ours")
    for query, wanted in (("type=a.b", [first]), ("subject=s", [first]), ("", [second, first])):
        items = two.ours.call("GET", f"/v1/log/events?{query}").json()["items"]
        assert [each["id"] for each in items] == wanted


def test_attempts_show_what_was_answered(two: Two, webhook: str) -> None:
    delivery, _ = log_something(two.pool, "ours", webhook)
    (attempt,) = two.ours.call("GET", f"/v1/log/deliveries/{delivery}/attempts").json()["items"]
    assert (attempt["number"], attempt["status"], attempt["duration_ms"]) == (1, 200, 12)
    assert attempt["response_body"] == "taken <b>"
    assert attempt["response_headers"] == [["A", "b"]]


def test_states_are_named_as_the_policy_says(two: Two) -> None:
    made = two.ours.made("/v1/webhooks", {"url": URL, "policy": "prefinery"})
    delivery, _ = log_something(two.pool, "ours", made["id"])
    body = two.ours.call("GET", f"/v1/log/deliveries/{delivery}").json()
    assert (body["state"], body["state_name"]) == ("succeeded", "accepted")


def test_sending_again_is_a_new_delivery_of_the_same_event(two: Two, webhook: str) -> None:
    delivery, event = log_something(two.pool, "ours", webhook, result="failed")
    path = f"/v1/log/deliveries/{delivery}/resend"
    first = two.ours.call("POST", path, idempotency_key="once")
    again = two.ours.call("POST", path, idempotency_key="once")
    assert first.status_code == 202
    assert first.json()["id"] == again.json()["id"] == delivery_id(delivery, "once")
    assert two.ours.call("POST", path).json()["id"] != first.json()["id"]
    record = told(two, "deliveries")[0]
    assert isinstance(record, Delivery)
    assert (record.kind, record.turn, record.event.id, record.lane) == ("resend", 1, event, webhook)
    assert record.event.data == b'{"price": 1.10}'
    assert record.give_up_at_ms > record.due_at_ms == record.logged_at_ms


def test_what_still_runs_or_must_not_be_is_not_sent_again(two: Two, webhook: str) -> None:
    running, _ = log_something(two.pool, "ours", webhook, result="retrying")
    refused(two.ours.call("POST", f"/v1/log/deliveries/{running}/resend"), 409, "still_running")
    strict = two.ours.made("/v1/webhooks", {"url": URL, "policy": "prefinery"})["id"]
    failed, _ = log_something(two.pool, "ours", strict, result="failed")
    path = f"/v1/log/deliveries/{failed}/resend"
    refused(two.ours.call("POST", path), 409, "manual_retry_forbidden")
    two.ours.call("PATCH", f"/v1/webhooks/{strict}", {"policy": "standard"})
    assert two.ours.call("POST", path).status_code == 202
    two.ours.call("DELETE", f"/v1/webhooks/{strict}")
    refused(two.ours.call("POST", path), 409, "webhook_gone", "webhook")
    lost = log_delivery(two.pool, "ours", webhook, "evt_unknown", result="failed")
    path = f"/v1/log/deliveries/{lost}/resend"
    refused(two.ours.call("POST", path), 409, "event_gone", "event")


def test_what_was_refused_is_listed_newest_first(two: Two) -> None:
    for offset in range(3):
        log_dead(two.pool, "ours", offset)
    log_dead(two.pool, "theirs", 9)
    first = two.ours.call("GET", "/v1/log/dead?limit=2").json()
    second = two.ours.call("GET", f"/v1/log/dead?limit=2&cursor={first['next']}").json()
    assert [d["offset"] for d in first["items"] + second["items"]] == [2, 1, 0]
    assert second["next"] is None
    assert first["items"][0]["reason"] == "unknown_type"
