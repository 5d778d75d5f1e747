"""The API from end to end on the running system. Two workspaces: the other one sees nothing of it.

Each test reads like a user's session; `both` fails it if the other workspace could follow.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from hookstream.model.records import Delivery, Event
from hookstream.stream.codec import Codec
from hookstream.stream.topics import DELIVERIES, EVENTS
from services.cli.main import main
from tests.fixtures.kafka import produce, read_all, wait_until
from tests.fixtures.receiver import Receiver
from tests.system.shared import QUICK, Shared, Tenant

LISTS = ("/v1/webhooks", "/v1/event-types", "/v1/log/events", "/v1/log/deliveries", "/v1/log/dead")


@pytest.fixture(scope="module")
def running(plain: Shared) -> Shared:
    return plain


class Two(NamedTuple):
    """The workspace that does things, and one that must not notice."""

    ours: Tenant
    theirs: Tenant

    def hidden(self, path: str, *more: tuple[str, str]) -> None:
        """This is there for us; for the others it does not exist, whatever they try."""
        assert self.ours.call("GET", path).status_code == 200
        for method, way in (("GET", path), *more):
            answer = self.theirs.call(method, way, {} if method in ("POST", "PATCH") else None)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), way


@pytest.fixture
def both(running: Shared) -> Iterator[Two]:
    """Afterwards the other workspace's lists are still empty."""
    two = Two(running.tenant(), running.tenant())
    yield two
    for path in LISTS:
        assert two.theirs.get(path)["items"] == [], path


def ended(tenant: Tenant, event: str, *states: str) -> list[dict[str, Any]]:
    """The deliveries of an event, once they are in these states."""
    wait_until(lambda: sorted(d["state"] for d in tenant.deliveries(event)) == sorted(states))
    return tenant.deliveries(event)


def released_for(running: Shared, webhook: str) -> list[str]:
    """The events that were released for a webhook, in the order of their lane."""
    found = [seen.value for seen in read_all(running.kafka, DELIVERIES)]
    released = (d for d in found if isinstance(d, Delivery) and d.kind == "release")
    return list(dict.fromkeys(d.event.id for d in released if d.webhook == webhook))


def test_the_operator_makes_workspaces_and_a_workspace_sees_itself(
    running: Shared, both: Two
) -> None:
    operator, path = running.operator(), f"/v1/workspaces/{both.ours.workspace}"
    assert {w["id"] for w in operator.get("/v1/workspaces")["items"]} >= {
        both.ours.workspace,
        both.theirs.workspace,
    }
    changed = both.ours.call("PATCH", path, {"name": "Renamed"})
    assert (changed.status_code, changed.json()["name"]) == (200, "Renamed")
    assert both.ours.call("GET", "/v1/workspaces").status_code == 403
    assert both.ours.call("POST", "/v1/workspaces", {"name": "mine"}).status_code == 403
    both.hidden(path, ("PATCH", path), ("POST", f"{path}/keys"))


def test_a_key_works_by_its_role_until_it_is_deleted(running: Shared, both: Two) -> None:
    made = both.ours.post("/v1/keys", {"role": "producer", "name": "shop"})
    ports, workspace = running.system.ports, both.ours.workspace
    shop = Tenant(ports.console_url, ports.ingest_url, workspace, made["key"])
    shop.send("order.paid")
    assert shop.call("GET", "/v1/webhooks").status_code == 403
    path = f"/v1/keys/{made['id']}"
    assert both.ours.get(path)["key"] is None
    both.hidden(path, ("DELETE", path))
    assert both.ours.call("DELETE", path).status_code == 200
    wait_until(lambda: shop.publish(b'{"type":"a","data":1}').status_code == 401)
    assert shop.call("GET", "/v1/webhooks").status_code == 401
    assert [key["id"] for key in both.ours.get("/v1/keys")["items"]] != [made["id"]]
    shop.close()


def test_a_webhook_is_made_listed_changed_disabled_enabled_and_deleted(
    both: Two, receiver: Receiver
) -> None:
    ours = both.ours
    made = ours.webhook(f"{receiver.url}/old", name="orders", events=["order.*"])
    path = f"/v1/webhooks/{made['id']}"
    assert [w["name"] for w in ours.get("/v1/webhooks")["items"]] == ["orders"]
    steps = [("POST", f"{path}/{step}") for step in ("enable", "disable", "pause", "resume")]
    both.hidden(path, ("PATCH", path), ("DELETE", path), *steps)
    changed = ours.call("PATCH", path, {"url": f"{receiver.url}/new"}).json()
    assert (changed["version"], ours.get(path)["url"]) == (2, f"{receiver.url}/new")
    (moved,) = ended(ours, ours.send("order.paid"), "succeeded")
    assert moved["webhook"] == made["id"]
    assert receiver.ids("/old") == []
    assert len(receiver.ids("/new")) == 1
    assert ours.post(f"{path}/disable", status=200)["state"] == "disabled"
    ended(ours, ours.send("order.paid"), "parked")
    assert ours.post(f"{path}/enable", status=409)["code"] == "parked_undecided"
    enabled = ours.post(f"{path}/enable", {"parked": "deliver"}, status=200)
    assert enabled["state"] == "active"
    wait_until(lambda: len(receiver.ids("/new")) == 2)
    assert ours.call("DELETE", path).status_code == 200
    assert ours.call("GET", path).status_code == 404
    assert ours.get("/v1/webhooks")["items"] == []
    missed = ours.send("order.paid")
    wait_until(lambda: ours.call("GET", f"/v1/log/events/{missed}").status_code == 200)
    assert ours.deliveries(missed) == []


def test_the_catalogue_says_which_events_are_taken(both: Two) -> None:
    """Ingest hears of a stricter rule within 50 ms; what it takes until then the router refuses."""
    ours = both.ours

    def code(body: bytes) -> str:
        return str(ours.publish(body).json().get("code", "taken"))

    ours.call("PATCH", f"/v1/workspaces/{ours.workspace}", {"unknown_types": "refuse"})
    schema = {"type": "object", "required": ["amount"]}
    body = {"name": "order.paid", "json_schema": schema, "sample": {"amount": 1}}
    assert ours.post("/v1/event-types", body)["version"] == 1
    path = "/v1/event-types/order.paid"
    both.hidden(path, ("PATCH", path), ("DELETE", path))
    ours.send("order.paid", '{"amount":1}')
    wait_until(lambda: code(b'{"type":"order.paid","data":{}}') == "schema_mismatch")
    near = ours.publish(b'{"type":"order.piad","data":{"amount":1}}').json()
    assert near["code"] == "unknown_type"
    assert "order.paid" in near["hint"]
    assert ours.call("DELETE", path).status_code == 200
    wait_until(lambda: code(b'{"type":"order.paid","data":{"amount":1}}') == "unknown_type")


def test_an_event_that_matched_nothing_says_why(both: Two, receiver: Receiver) -> None:
    ours = both.ours
    ours.webhook(receiver.url, name="orders", events=["order.*"])
    event = ours.send("contact.created", '{"price": 1.10}')
    path = f"/v1/log/events/{event}"
    wait_until(lambda: ours.call("GET", path).status_code == 200)
    both.hidden(path)
    answer = ours.call("GET", path)
    assert b'"data":{"price": 1.10}' in answer.content
    shown = answer.json()
    assert shown["deliveries"] == []
    assert shown["note"] == "matched nothing, by today's configuration"
    (why,) = shown["not_matched"]
    assert why["name"] == "orders"
    assert "order.*" in why["why"] or "contact.created" in why["why"]
    assert [e["id"] for e in ours.get("/v1/log/events?type=contact.created")["items"]] == [event]


def test_a_delivery_shows_every_attempt_and_can_be_sent_again(
    both: Two, receiver: Receiver
) -> None:
    ours = both.ours
    receiver.rule = lambda _, before: (500 if before < 3 else 200, {"x-answer": str(before)})
    policy = ours.post("/v1/policies", QUICK)["id"]
    webhook = ours.webhook(receiver.url, policy=policy)["id"]
    event = ours.send("order.paid", '{"amount":1.10}')
    (failed,) = ended(ours, event, "failed")
    path = f"/v1/log/deliveries/{failed['id']}"
    both.hidden(path, ("GET", f"{path}/attempts"), ("POST", f"{path}/resend"))
    assert (ours.get(path)["attempts"], ours.get(path)["status"]) == (3, 500)
    attempts = ours.attempts(failed["id"])
    assert [(a["number"], a["status"], a["result"]) for a in attempts] == [
        (1, 500, "retrying"),
        (2, 500, "retrying"),
        (3, 500, "failed"),
    ]
    assert ["x-answer", "2"] in [[n.lower(), v] for n, v in attempts[2]["response_headers"]]
    again = ours.post(f"{path}/resend", status=202)["id"]
    assert again != failed["id"]
    ended(ours, event, "failed", "succeeded")
    assert (ours.get(f"/v1/log/deliveries/{again}")["kind"], len(receiver.got)) == ("resend", 4)
    assert {got.body for got in receiver.got} == {receiver.got[0].body}
    assert b'"data":{"amount":1.10}' in receiver.got[3].body
    listed = ours.get(f"/v1/log/deliveries?webhook={webhook}&state=failed")["items"]
    assert [delivery["id"] for delivery in listed] == [failed["id"]]


def test_why_a_delivery_took_so_long_is_told_step_by_step(
    running: Shared, both: Two, receiver: Receiver
) -> None:
    ours = both.ours
    receiver.rule = lambda _, before: (500 if before < 1 else 200, {})
    policy = ours.post("/v1/policies", QUICK)["id"]
    ours.webhook(receiver.url, policy=policy)
    event = ours.send("order.paid", traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01")
    (done,) = ended(ours, event, "succeeded")
    path = f"/v1/log/deliveries/{done['id']}/why"
    both.hidden(path)
    told = ours.get(path)
    names = [(step["attempt"], step["name"]) for step in told["steps"]]
    first = ["ingest", "routing", "queue", "lane in memory", "dns", "connect", "first byte", "body"]
    assert names[:8] == [(1, name) for name in first]
    assert [n for a, n in names[8:] if n not in ("dns", "connect")] == [
        *("schedule", "release", "queue", "lane in memory", "first byte", "body")
    ]
    by_name = {(step["attempt"], step["name"]): step["took_ms"] for step in told["steps"]}
    assert by_name[2, "schedule"] >= 200
    assert told["trace_ids"][0] == "ab" * 16
    words = ["why", done["id"], "--url", running.system.ports.console_url, "--key", ours.key]
    shown = CliRunner().invoke(main, words)
    assert told["verdict"] in shown.output
    assert "schedule" in shown.output


def test_pause_parks_and_resume_releases_oldest_first(
    running: Shared, both: Two, receiver: Receiver
) -> None:
    ours = both.ours
    made = ours.webhook(receiver.url, rate_per_s=50)
    path = f"/v1/webhooks/{made['id']}"
    assert ours.post(f"{path}/pause", status=200)["state"] == "paused"
    events = []
    for number in range(5):
        events.append(ours.send("order.paid", str(number)))
        (parked,) = ended(ours, events[-1], "parked")
        assert parked["attempts"] == 0
    assert receiver.got == []
    assert ours.post(f"{path}/resume", status=200)["state"] == "active"
    wait_until(lambda: len(receiver.got) == 5)
    assert sorted(receiver.ids()) == sorted(events)
    assert released_for(running, made["id"]) == events
    for event in events:
        first, released = sorted(
            ended(ours, event, "cancelled", "succeeded"), key=lambda d: str(d["state"])
        )
        assert (first["reason"], released["kind"]) == ("released", "release")


def test_what_was_refused_in_kafka_is_listed(running: Shared, both: Two) -> None:
    bad = Event(workspace=both.ours.workspace, id="a.b", type="t", created_at_ms=0, data=b"1")
    produce(running.kafka, EVENTS, ("any", Codec().encode(bad)))
    (dead,) = wait_until(lambda: both.ours.get("/v1/log/dead")["items"])
    assert (dead["reason"], dead["event"]) == ("invalid_id", "a.b")


def test_the_api_describes_itself(running: Shared, both: Two) -> None:
    paths = both.ours.get("/v1/openapi.json")["paths"]
    assert {"/v1/webhooks", "/v1/webhooks/{webhook}", "/v1/log/events/{event}"} <= paths.keys()
    assert "/v1/log/deliveries/{delivery}/resend" in paths
