"""Sending a test (W10): what is sent, what is refused, and what is said when no outcome comes."""

from typing import Any

import httpx2
import psycopg
import pytest

from hookstream.model.records import Delivery
from hookstream.store import outbox
from services.console import trials
from tests.console.conftest import Two
from tests.console.logged import log_delivery
from tests.console.served import Side

URL = "https://example.com/hook"
SCHEMA = {"type": "object", "required": ["name"]}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody delivers here, so nothing is waited for beyond the policy's deadline."""
    monkeypatch.setattr(trials, "SPARE_S", 0.0)


def webhook(side: Side, **more: Any) -> str:
    policy = side.made("/v1/policies", {"name": "quick", "deadline_ms": 100})["id"]
    made: str = side.made("/v1/webhooks", {"url": URL, "policy": policy, **more})["id"]
    return made


def sent(two: Two) -> list[Delivery]:
    """The deliveries that wait for their publication."""
    with two.pool.connection() as connection:
        rows = outbox.oldest(connection, 100)
    found = (row.decoded() for row in rows if row.topic == "deliveries")
    return [made for made in found if isinstance(made, Delivery)]


def test_without_an_outcome_in_time_it_says_where_to_look(two: Two) -> None:
    id_ = webhook(two.ours, events=["deal.won"])
    answer = two.ours.call("POST", f"/v1/webhooks/{id_}/test")
    told = answer.json()
    assert (answer.status_code, told["ended"], told["state"]) == (202, False, "pending")
    (made,) = sent(two)
    assert (made.id, made.kind, made.event.id) == (told["delivery"], "test", told["event"])
    assert made.give_up_at_ms - made.due_at_ms <= 60_100, "a person does not wait for hours"
    assert two.ours.call("GET", told["where"]).status_code == 404
    logged = {"kind": "test", "event_type": "deal.won", "delivery": made.id}
    log_delivery(two.pool, "ours", id_, made.event.id, **logged)
    found = two.ours.call("GET", told["where"]).json()
    assert (found["ended"], found["status"], found["body"]) == (True, 200, "taken <b>")
    assert two.theirs.call("GET", told["where"]).status_code == 404


def test_given_data_leaves_as_it_came(two: Two) -> None:
    id_ = webhook(two.ours)
    answer = httpx2.post(
        f"{two.url}/v1/webhooks/{id_}/test",
        content=b'{"event_type": "deal.won", "data": {"price": 1.10, "n": 1e2}}',
        headers={"X-API-KEY": two.ours.keys["editor"], "content-type": "application/json"},
        timeout=60,
    )
    assert answer.status_code == 202, answer.text
    assert [made.event.data for made in sent(two)] == [b'{"price": 1.10, "n": 1e2}']


@pytest.mark.parametrize(
    ("events", "type_", "data"),
    [
        (["deal.won", "*"], "deal.won", b"{}"),
        (["contact.*"], "contact.created", b'{"name":"Ada"}'),
        (["zebra.*", "contact.*"], "contact.created", b'{"name":"Ada"}'),
        (["zebra.*"], "test", b"{}"),
    ],
)
def test_the_type_is_the_first_subscribed_to_and_the_data_its_sample(
    two: Two, events: list[str], type_: str, data: bytes
) -> None:
    catalogued = {"name": "contact.created", "sample": {"name": "Ada"}, "json_schema": SCHEMA}
    two.ours.made("/v1/event-types", catalogued)
    id_ = webhook(two.ours, events=events)
    assert two.ours.call("POST", f"/v1/webhooks/{id_}/test").status_code == 202
    assert [(made.event.type, made.event.data) for made in sent(two)] == [(type_, data)]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"event_type": "a b"}, "invalid_type", "event_type"),
        ({"event_type": "contact.created", "data": {}}, "schema_mismatch", "data"),
        ({"event_type": "contact.created", "data": "x" * 300_000}, "too_large", "data"),
        ({"event": "x"}, "unknown_field", "event"),
        ({"event_type": "unknown"}, "unknown_type", "event_type"),
    ],
)
def test_what_a_real_event_could_not_be_is_refused(
    two: Two, body: dict[str, Any], code: str, field: str
) -> None:
    two.ours.made("/v1/event-types", {"name": "contact.created", "json_schema": SCHEMA})
    id_ = webhook(two.ours)
    two.ours.call("PATCH", "/v1/workspaces/ours", {"unknown_types": "refuse"})
    answer = two.ours.call("POST", f"/v1/webhooks/{id_}/test", body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["field"].startswith(field)
    assert sent(two) == []


def test_others_may_neither_test_nor_verify_nor_copy(two: Two) -> None:
    id_ = webhook(two.ours)
    for step in ("test", "verify", "copy"):
        path = f"/v1/webhooks/{id_}/{step}"
        assert two.theirs.call("POST", path).status_code == 404
        assert two.ours.call("POST", path, role="viewer").status_code == 403
    two.ours.call("DELETE", f"/v1/webhooks/{id_}")
    assert two.ours.call("POST", f"/v1/webhooks/{id_}/test").status_code == 404


def test_a_webhook_says_whether_its_last_change_is_still_on_its_way(
    two: Two, database: str
) -> None:
    path = f"/v1/webhooks/{webhook(two.ours)}"
    assert two.ours.call("GET", path).json()["publishing"] is True
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM outbox")
    assert two.ours.call("GET", path).json()["publishing"] is False
