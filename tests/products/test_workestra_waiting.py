"""W12: what waits while a webhook is paused or disabled, and what becomes of it; beside it, one
delivery taken back, and many sent again."""

from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import psycopg

from hookstream.model.ids import released_id
from hookstream.model.records import Cancellation, Outcome
from hookstream.stream.topics import CONFIG, OUTCOMES
from tests.fixtures.kafka import read_all, wait_until
from tests.fixtures.receiver import Answer, Got, Receiver
from tests.products.conftest import PARKED_MOST, RELEASED_PER_S
from tests.system.shared import Shared, Tenant

WITHIN_S = 60.0
TYPE = "contact.created"


def made(tenant: Tenant, receiver: Receiver, **more: Any) -> str:
    """A webhook's path in the API."""
    return f"/v1/webhooks/{tenant.webhook(receiver.url + '/hook', **more)['id']}"


def policy(tenant: Tenant, *delays_ms: int) -> str:
    schedule = {"kind": "list", "delays_ms": delays_ms}
    body = {"name": "quick", "schedule": schedule, "signature": {"scheme": "none"}}
    return str(tenant.post("/v1/policies", body | {"deadline_ms": 60_000})["id"])


def named(event: str) -> bytes:
    """An event of this id, as it is published."""
    return b'{"type":"%b","id":"%b","data":{}}' % (TYPE.encode(), event.encode())


def one(tenant: Tenant, event: str) -> dict[str, Any]:
    """The delivery that an event first led to; empty while it is not logged."""
    first = [d for d in tenant.deliveries(event) if d["kind"] == "event"]
    return first[0] if first else {}


def ended(tenant: Tenant, event: str) -> tuple[str | None, str | None]:
    found = one(tenant, event)
    return found.get("state"), found.get("reason")


def until(tenant: Tenant, event: str, state: str, reason: str | None = None) -> None:
    """Wait for the log to show it so."""
    wait_until(lambda: ended(tenant, event) == (state, reason), WITHIN_S)


def parked(tenant: Tenant, path: str) -> int:
    return int(tenant.get(path)["parked"])


def test_w12_what_came_while_paused_goes_out_oldest_first_at_a_pace_beside_live_events(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    path = made(tenant, receiver, max_in_flight=1)
    assert tenant.post(f"{path}/pause", status=200)["state"] == "paused"
    kept = [tenant.send(TYPE) for _ in range(5 * RELEASED_PER_S)]
    wait_until(lambda: parked(tenant, path) == len(kept), WITHIN_S)
    until(tenant, kept[0], "parked", "webhook_not_active")
    assert receiver.got == []

    tenant.post(f"{path}/resume", status=200)
    wait_until(lambda: receiver.got, WITHIN_S)
    live = tenant.send(TYPE)
    wait_until(lambda: len(receiver.got) > len(kept), 3 * WITHIN_S)
    ids = receiver.ids()
    assert sorted(ids) == sorted([*kept, live])
    assert max(map(ids.index, kept[:15])) < min(map(ids.index, kept[-15:]))
    assert ids[-1] != live
    assert receiver.got[-1].at_ms - receiver.got[0].at_ms > 2_000
    until(tenant, kept[-1], "cancelled", "released")
    assert parked(tenant, path) == 0
    first = one(tenant, kept[0])["id"]
    released = tenant.get(f"/v1/log/deliveries/{released_id(first)}")
    assert (released["state"], released["kind"], released["event"]) == (
        "succeeded", "release", kept[0],
    )  # fmt: skip


def test_w12_a_retry_that_falls_due_while_paused_waits_and_costs_no_attempt(
    products: Shared, receiver: Receiver
) -> None:
    """A request that is under way when the webhook is paused finishes."""
    paused = Event()

    def rule(got: Got, _: int) -> Answer | None:
        if got.id == "running":
            return (200, {}) if receiver.released.is_set() else None
        paused.wait(WITHIN_S)  # its retry falls due after that
        return 500, {}

    receiver.rule = rule
    tenant = products.tenant()
    path = made(tenant, receiver, policy=policy(tenant, 5_000, 1_000))
    assert tenant.publish(named("running")).status_code == 202
    wait_until(lambda: "running" in receiver.ids(), WITHIN_S)
    failing = tenant.send(TYPE)
    wait_until(lambda: failing in receiver.ids(), WITHIN_S)
    tenant.post(f"{path}/pause", status=200)
    paused.set()
    wait_until(lambda: parked(tenant, path) == 1, WITHIN_S)
    until(tenant, failing, "parked", "webhook_not_active")
    assert receiver.ids().count(failing) == 1
    receiver.released.set()
    wait_until(lambda: ended(tenant, "running")[0] == "succeeded", WITHIN_S)
    assert receiver.ids().count("running") == 1

    tenant.post(f"{path}/resume", status=200)
    again = released_id(one(tenant, failing)["id"])

    def over() -> bool:
        found = tenant.call("GET", f"/v1/log/deliveries/{again}")
        return found.status_code == 200 and found.json()["state"] == "failed"

    wait_until(over, WITHIN_S)
    assert receiver.ids().count(failing) == 3
    assert [a["number"] for a in tenant.attempts(again)] == [2, 3]
    assert tenant.get(f"/v1/log/deliveries/{again}")["reason"] == "exhausted"


def test_w12_deleting_stops_all(products: Shared, receiver: Receiver) -> None:
    disabled = Event()

    def rule(_: Got, __: int) -> Answer:
        disabled.wait(WITHIN_S)  # the retry falls due after that
        return 500, {}

    receiver.rule = rule
    tenant = products.tenant()
    path = made(tenant, receiver, policy=policy(tenant, 6_000))
    retrying = tenant.send(TYPE)
    wait_until(lambda: receiver.got, WITHIN_S)
    tenant.post(f"{path}/disable", status=200)
    disabled.set()
    wait_until(lambda: ended(tenant, retrying)[0] in ("retrying", "parked"), WITHIN_S)
    waiting = [tenant.send(TYPE) for _ in range(3)]
    for event in waiting:
        until(tenant, event, "parked", "webhook_not_active")
    assert tenant.call("DELETE", path).status_code == 200
    for event in (*waiting, retrying):
        until(tenant, event, "cancelled", "webhook_deleted")
    assert receiver.ids() == [retrying]


def test_w12_what_waits_for_a_disabled_webhook_is_bounded_and_enabling_asks(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    path = made(tenant, receiver)
    assert tenant.post(f"{path}/disable", status=200)["state"] == "disabled"
    events = [tenant.send(TYPE) for _ in range(PARKED_MOST + 2)]
    for event in events[:2]:
        until(tenant, event, "failed", "overflow")
    wait_until(lambda: parked(tenant, path) == PARKED_MOST, WITHIN_S)

    oldest = wait_until(lambda: one(tenant, events[2]), WITHIN_S)["id"]
    a_week_ms = 8 * 86_400_000
    with psycopg.connect(products.dsn) as connection:  # as if a week had passed
        query = "UPDATE parked SET parked_at_ms = parked_at_ms - %s WHERE delivery = %s"
        assert connection.execute(query, (a_week_ms, oldest)).rowcount == 1
    until(tenant, events[2], "failed", "expired")

    refused = tenant.call("POST", f"{path}/enable")
    assert (refused.status_code, refused.json()["code"]) == (409, "parked_undecided")
    assert str(PARKED_MOST - 1) in refused.json()["detail"]
    assert tenant.get(path)["state"] == "disabled"
    tenant.post(f"{path}/enable", {"parked": "discard"}, status=200)
    live = tenant.send(TYPE)
    wait_until(lambda: receiver.ids() == [live], WITHIN_S)
    for event in (events[3], events[-1]):
        until(tenant, event, "cancelled", "discarded")
    assert receiver.ids() == [live]

    tenant.post(f"{path}/disable", status=200)
    kept = tenant.send(TYPE)
    wait_until(lambda: parked(tenant, path) == 1, WITHIN_S)
    tenant.post(f"{path}/enable", {"parked": "deliver"}, status=200)
    wait_until(lambda: receiver.ids() == [live, kept], WITHIN_S)


def test_a_delivery_that_waits_for_its_next_attempt_is_taken_back(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda _, __: (500, {})
    tenant = products.tenant()
    made(tenant, receiver, policy=policy(tenant, 15_000))
    event = tenant.send(TYPE)
    wait_until(lambda: ended(tenant, event)[0] == "retrying", WITHIN_S)
    delivery = one(tenant, event)["id"]
    cancelled = tenant.post(f"/v1/log/deliveries/{delivery}/cancel", status=202)
    assert cancelled == {
        "id": delivery, "state": "cancelled", "reason": "by_hand", "publishing": False,
    }  # fmt: skip
    until(tenant, event, "cancelled", "by_hand")
    again = tenant.call("POST", f"/v1/log/deliveries/{delivery}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "has_ended")

    def turns() -> list[int]:
        seen = [s.value for s in read_all(products.kafka, OUTCOMES)]
        ours = [o for o in seen if isinstance(o, Outcome) and o.delivery == delivery]
        return [o.turn for o in ours if o.result == "cancelled" and o.turn is not None]

    wait_until(lambda: turns() == [2], WITHIN_S)  # its turn came, and was not sent
    assert receiver.ids() == [event]
    assert ended(tenant, event) == ("cancelled", "by_hand")

    with psycopg.connect(products.dsn) as connection:  # as if its time were over
        connection.execute("UPDATE cancellations SET until_ms = 0 WHERE delivery = %s", (delivery,))

    def on_config() -> list[Any]:
        found = [
            s for s in read_all(products.kafka, CONFIG) if s.key == f"cancel/{delivery}".encode()
        ]
        return [s.value for s in found]

    wait_until(lambda: on_config() and on_config()[-1] is None, WITHIN_S)
    assert all(isinstance(record, Cancellation) for record in on_config()[:-1])


def test_what_failed_in_a_time_span_is_sent_again(products: Shared, receiver: Receiver) -> None:
    good: list[str] = []
    receiver.rule = lambda got, _: (200 if got.id in good else 410, {})
    tenant = products.tenant()
    path = made(tenant, receiver)
    begun = datetime.now(UTC) - timedelta(hours=1)
    good.append("taken")
    assert tenant.publish(named("taken")).status_code == 202
    wait_until(lambda: ended(tenant, "taken")[0] == "succeeded", WITHIN_S)
    failed = tenant.send(TYPE, '{"price":1.10}')
    until(tenant, failed, "failed", "gone")
    wait_until(lambda: tenant.get(path)["state"] == "disabled", WITHIN_S)

    replay = tenant.post(f"{path}/replay", {"from": begun.isoformat()}, status=202)
    assert (replay["state"], replay["sent"]) == ("running", 0)
    good.append(failed)
    tenant.post(f"{path}/enable", status=200)
    wait_until(lambda: receiver.ids().count(failed) == 2, WITHIN_S)
    assert receiver.got[-1].body == next(g.body for g in receiver.got if g.id == failed)

    def done() -> bool:
        (found,) = tenant.get(f"{path}/replays")["items"]
        return (found["id"], found["state"], found["sent"]) == (replay["id"], "done", 1)

    wait_until(done, WITHIN_S)

    def kinds() -> set[tuple[str, str]]:
        return {(d["kind"], d["state"]) for d in tenant.deliveries(failed)}

    wait_until(lambda: kinds() == {("event", "failed"), ("replay", "succeeded")}, WITHIN_S)
    assert receiver.ids().count("taken") == 1
