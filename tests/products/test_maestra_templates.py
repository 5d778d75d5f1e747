"""Maestra's dynamic parameters: the transaction id (M6), and bodies with blocks and loops (M7)."""

import json
from typing import Any

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Got, Receiver
from tests.system.shared import QUICK, Shared, Tenant

USED = "${WebhookRequest.TransactionalId}"
SOON_S = 60

ORDER = """{
  "order": ${id},
  "customer": "${customer.name}",
  "total": ${total},
  "note": "@{if total > 100}large@{else if gift}gift@{else}plain@{end if}",
  "lines": [@{for l in lines}{"sku": "${l.sku}", "n": ${l.n}}@{if not forloop.last}, @{end if}@{end for}],
  "event": "${event.type}",
  "team": ${properties.team},
  "by": "${webhook.name}"
}"""  # noqa: E501
DATA = (
    '{"id": 7, "customer": {"name": "Ann \\"A\\" ${event.id} {{ event.id }}\\n"}, "total": 99.10,'
    ' "gift": true, "lines": [{"sku": "a/1", "n": 1.50}, {"sku": "@{if x}", "n": 2}]}'
)
BODY = rb"""{
  "order": 7,
  "customer": "Ann \"A\" ${event.id} {{ event.id }}\n",
  "total": 99.10,
  "note": "gift",
  "lines": [{"sku": "a/1", "n": 1.50}, {"sku": "@{if x}", "n": 2}],
  "event": "order.paid",
  "team": ["sales",1],
  "by": "crm"
}"""


def failing_at_first(_: Got, before: int) -> tuple[int, dict[str, str]]:
    return (503 if before < 2 else 200), {}


def one_delivery(tenant: Tenant, event: str, state: str) -> dict[str, Any]:
    wait_until(lambda: [d["state"] for d in tenant.deliveries(event)] == [state], SOON_S)
    return tenant.deliveries(event)[0]


def test_m6_the_transaction_id_is_the_same_in_url_header_and_body_of_every_repeat(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = failing_at_first
    tenant = products.tenant()
    policy = tenant.post("/v1/policies", {**QUICK, "retry_needs_transaction_id": True})
    tenant.webhook(
        f"{receiver.url}/x/{USED}?transactionId={USED}&e=${{event.type}}",
        policy=policy["id"],
        template=f'{{"key": "{USED}"}}',
        headers=[
            {"key": "Idempotency-Key", "value": USED},
            {"key": "X-Private", "value": f"Bearer {USED}", "private": True},
        ],
    )
    event = tenant.send("order.paid", "{}")
    delivery = one_delivery(tenant, event, "succeeded")["id"]
    assert len(receiver.got) == 3
    for got in receiver.got:
        assert got.path == f"/x/{delivery}?transactionId={delivery}&e=order.paid"
        assert got.headers["idempotency-key"] == delivery
        assert got.headers["x-private"] == f"Bearer {delivery}"
        assert got.body == b'{"key": "%b"}' % delivery.encode()
        assert got.id == event


def test_m7_a_body_of_parameters_blocks_and_loops_arrives_byte_for_byte(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="maestra")
    tenant.webhook(
        receiver.url + "/hook", name="crm", template=ORDER, properties={"team": ["sales", 1]}
    )
    tenant.send("order.paid", DATA)
    wait_until(lambda: receiver.got, SOON_S)
    assert receiver.got[0].body == BODY
    assert json.loads(receiver.got[0].body)["customer"].startswith('Ann "A" ${event.id}')
    assert receiver.got[0].headers["content-type"] == "application/json"


def test_m7_liquid_says_the_same_and_other_content_types_are_plain_text(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="maestra")
    liquid = "{% for l in lines %}{{ l.sku }};{% unless l.n > 1 %}x{% endunless %}{% endfor %}"
    tenant.webhook(receiver.url + "/text", template=liquid, content_type="text/csv")
    tenant.webhook(
        receiver.url + "/form",
        template="name=${customer.name}&n=${total}",
        content_type="application/x-www-form-urlencoded",
    )
    tenant.send("order.paid", DATA)
    wait_until(lambda: len(receiver.got) == 2, SOON_S)
    bodies = {got.path: got.body for got in receiver.got}
    assert bodies["/text"] == b"a/1;@{if x};"
    form = b"name=Ann%20%22A%22%20%24%7Bevent.id%7D%20%7B%7B%20event.id%20%7D%7D%0A&n=99.10"
    assert bodies["/form"] == form


def test_m7_a_body_that_is_no_json_and_a_template_that_explodes_fail_their_delivery_alone(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="maestra")
    exploding = "[@{for a in n}@{for b in n}@{for c in n}1,@{end for}@{end for}@{end for}0]"
    tenant.webhook(receiver.url + "/json", name="broken", template='{"a": ${v}, }')
    tenant.webhook(receiver.url + "/boom", name="boom", template=exploding)
    tenant.webhook(receiver.url + "/path/${v}/x", name="steps-out")
    tenant.webhook(receiver.url + "/fine", name="fine")
    numbers = json.dumps({"n": list(range(1000)), "v": ".."})
    event = tenant.send("order.paid", numbers)
    wait_until(
        lambda: (
            {d["webhook_name"]: d["state"] for d in tenant.deliveries(event)}
            == {"broken": "failed", "boom": "failed", "steps-out": "failed", "fine": "succeeded"}
        ),
        SOON_S,
    )
    told = {}
    for delivery in tenant.deliveries(event):
        (attempt,) = tenant.attempts(delivery["id"])
        told[delivery["webhook_name"]] = attempt["error_detail"]
        assert delivery["reason"] == (None if delivery["state"] == "succeeded" else "unsendable")
    assert told["broken"].startswith("body: not JSON once rendered")
    assert "steps" in told["boom"]
    assert told["steps-out"] == "URL: contains a step `.` or `..`"
    tenant.send("order.paid", '{"n": [1, 2], "v": "in"}')
    wait_until(lambda: {"/boom", "/path/in/x"} <= {g.path for g in receiver.got}, SOON_S)
    boom = [g.body for g in receiver.got if g.path == "/boom"]
    assert boom == [b"[1,1,1,1,1,1,1,1,0]"]
