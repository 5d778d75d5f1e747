"""What an answer says is usable afterwards (M8): success, and values out of its body."""

import json
from typing import Any

from hookstream.model.records import Outcome
from hookstream.stream.topics import OUTCOMES
from tests.fixtures.kafka import read_all, wait_until
from tests.fixtures.receiver import Receiver
from tests.products.quickened import WITHIN_S, ended
from tests.system.shared import Shared, Tenant

EXTRACT = {"id": "order.id", "skus": "order.items[*].sku", "missing": "order.note"}
ORDER = {"order": {"id": "o-1", "items": [{"sku": "a"}, {"sku": "b"}]}}


def whole(tenant: Tenant, event: str) -> dict[str, Any]:
    """The one delivery of an event, once it has ended, with its values."""
    (delivery,) = ended(tenant, event).values()
    found: dict[str, Any] = tenant.get(f"/v1/log/deliveries/{delivery['id']}")
    return found


def test_m8_values_of_the_answer_are_on_the_delivery_and_on_the_outcomes_topic(
    products: Shared, receiver: Receiver
) -> None:
    """By the webhook's system name; they are taken out before the answer is cut."""
    body = json.dumps({"pad": "x" * 40_000, **ORDER}).encode()
    receiver.rule = lambda *_: (201, {"content-type": "application/json"}, body)
    tenant = products.tenant(default_policy="maestra")
    tenant.webhook(receiver.url + "/orders", name="Create-Order", extract=EXTRACT)
    event = tenant.send("order.wanted")
    delivery = whole(tenant, event)
    assert delivery["state"] == "succeeded"
    values = {"Create-Order": {"id": "o-1", "skus": ["a", "b"], "missing": None}}
    assert delivery["values"] == values
    assert delivery["values_note"] is None
    (attempt,) = tenant.attempts(delivery["id"])
    assert attempt["truncated"]
    assert "o-1" not in attempt["response_body"], "beyond what is kept"

    def outcomes() -> list[Outcome]:
        seen = (s.value for s in read_all(products.kafka, OUTCOMES))
        return [o for o in seen if isinstance(o, Outcome) and o.delivery == delivery["id"]]

    (outcome,) = wait_until(outcomes, WITHIN_S)
    assert outcome.result == "succeeded"
    assert json.loads(outcome.values or b"") == values


def test_m8_an_answer_that_is_no_json_gives_null_and_a_note(
    products: Shared, receiver: Receiver
) -> None:
    bodies = {"/html": b"<p>thanks</p>", "/none": b"", "/long": json.dumps("x" * 70_000).encode()}
    receiver.rule = lambda got, _: (200, {}, bodies[got.path])
    tenant = products.tenant(default_policy="maestra")
    for path in bodies:
        tenant.webhook(receiver.url + path, name=path[1:], extract={"id": "order.id"})
    tenant.webhook(receiver.url + "/html", name="plain")
    event = tenant.send("order.wanted")
    found = [tenant.get(f"/v1/log/deliveries/{d['id']}") for d in ended(tenant, event, 4).values()]
    told = {d["webhook_name"]: (d["state"], d["values"], d["values_note"]) for d in found}
    assert told.pop("plain") == ("succeeded", None, None)
    assert {name: (state, values) for name, (state, values, _) in told.items()} == {
        name: ("succeeded", {name: {"id": None}}) for name in ("html", "none", "long")
    }
    notes = {name: note for name, (_, _, note) in told.items()}
    assert notes["html"] == "the answer is not JSON"
    assert notes["none"] == "the answer has no body"
    assert "too long" in notes["long"]


def test_m8_a_faulty_value_fails_nothing_and_expressions_are_checked_when_saved(
    products: Shared, receiver: Receiver
) -> None:
    body = json.dumps(ORDER).encode()
    receiver.rule = lambda *_: (200, {}, body)
    tenant = products.tenant(default_policy="maestra")
    made = tenant.webhook(
        receiver.url, name="crm", extract={"n": "sum(order.items)", "id": "order.id"}
    )
    url = f"/v1/webhooks/{made['id']}"
    for expression in ("order[", "system('id')", "[@,@]|[@,@]|[@,@]|[@,@]|[@,@]", "x" * 600):
        refused = tenant.call("PATCH", url, {"extract": {"ok": "order.id", "bad": expression}})
        assert refused.status_code == 422, expression
        assert refused.json()["field"] == "extract.bad"
        assert refused.json()["detail"]
    delivery = whole(tenant, tenant.send("order.wanted"))
    assert delivery["state"] == "succeeded"
    assert delivery["values"] == {"crm": {"n": None, "id": "o-1"}}
    assert delivery["values_note"].startswith("n: ")
