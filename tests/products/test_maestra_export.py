"""Maestra's export of webhook logs (M10)."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.system.shared import Shared, Tenant

WITHIN_S = 60
PRIVATE = "private-value-that-nobody-may-see"


def exported(tenant: Tenant, query: str = "") -> list[dict[str, Any]]:
    answer = tenant.call("GET", f"/v1/log/deliveries/export?{query}")
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_m10_the_log_is_exported_by_time_success_and_webhook(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda got, _: (400 if got.path == "/bad" else 200, {"x-secret": "s"})
    tenant = products.tenant(default_policy="maestra")
    private = [{"key": "Authorization", "value": PRIVATE, "private": True}]
    good, bad, other = (
        tenant.webhook(receiver.url + path, name=path[1:], headers=private)["id"]
        for path in ("/good", "/bad", "/other")
    )
    first = tenant.send("order.paid", '{"n": 1}')
    wait_until(lambda: len(exported(tenant)) == 3, WITHIN_S)
    assert any(got.headers["authorization"] == PRIVATE for got in receiver.got)
    between = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    second = tenant.send("order.paid", '{"n": 2}')
    wait_until(lambda: len(exported(tenant)) == 6, WITHIN_S)
    wait_until(lambda: all(len(tenant.deliveries(e)) == 3 for e in (first, second)), WITHIN_S)

    ids = {
        (d["event"], d["webhook"]): d["id"] for e in (first, second) for d in tenant.deliveries(e)
    }

    def keys(query: str) -> set[tuple[str, str]]:
        rows = exported(tenant, query)
        assert all(row["transaction_id"] == ids[row["event"], row["webhook"]] for row in rows)
        return {(row["event"], row["webhook"]) for row in rows}

    hooks = (good, bad, other)
    assert keys("") == {(event, hook) for event in (first, second) for hook in hooks}
    assert keys("success=true") == {(e, h) for e in (first, second) for h in (good, other)}
    assert keys("success=false") == {(first, bad), (second, bad)}
    assert keys(f"webhook={bad}&webhook={other}&till={between}") == {(first, bad), (first, other)}
    assert keys(f"webhook={good}&success=true&from={between}") == {(second, good)}
    assert keys(f"webhook={good}&success=false") == set()

    (row,) = exported(tenant, f"webhook={bad}&from={between}")
    assert {name: row[name] for name in ("webhook_name", "success", "status", "attempts")} == {
        "webhook_name": "bad", "success": False, "status": 400, "attempts": 1,
    }  # fmt: skip
    answer = tenant.call("GET", f"/v1/log/deliveries/export?format=csv&webhook={bad}")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [line["transaction_id"] for line in rows] == [ids[second, bad], ids[first, bad]]
    whole = tenant.call("GET", "/v1/log/deliveries/export").text + answer.text
    assert PRIVATE not in whole
    assert "x-secret" not in whole
