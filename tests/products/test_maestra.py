"""Maestra's integrations and webhooks (M1, M3, M4, M5). The rate (M2) has a file of its own."""

from typing import Any

import pytest

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Got, Receiver
from tests.system.planted import found
from tests.system.shared import QUICK, Shared, Tenant

PRIVATE = "Bearer planted-of-an-integration"
HEADERS = [
    {"key": "Authorization", "value": PRIVATE, "private": True},
    {"key": "X-Team", "value": "sales"},
]


def an_integration(tenant: Tenant, root: str, **more: Any) -> str:
    made = tenant.post("/v1/integrations", {"name": "Crm", "root_url": root, **more})
    return str(made["id"])


def lines(got: Got, name: str) -> list[str]:
    """The values of all lines of this header, as they came."""
    return [value for key, value in got.raw_headers if key.lower() == name]


def test_m1_webhooks_add_a_part_to_the_root_or_leave_it_blank(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    root = receiver.url + "/v3/operations/"
    integration = an_integration(tenant, root)
    parts = {"": root, "orders": root + "orders", "?id=7&x=a%20b": root + "?id=7&x=a%20b"}
    for part, whole in parts.items():
        made = tenant.webhook(part, integration=integration)
        assert (made["url"], made["full_url"]) == (part, whole)
        assert tenant.get(f"/v1/webhooks/{made['id']}")["full_url"] == whole
    tenant.send("a.b")
    wait_until(lambda: len(receiver.got) == 3, 60)
    assert {receiver.url + got.path for got in receiver.got} == set(parts.values())


@pytest.mark.parametrize(
    "root", ["https://api.example.com", "https://api.example.com:8443", "https://[2606:4700::1]"]
)
def test_m1_a_part_never_changes_the_host(products: Shared, root: str) -> None:
    """Neither when a webhook is made, nor when it is changed, nor when the root is."""
    tenant = products.tenant()
    integration = an_integration(tenant, root)
    made = tenant.webhook("/fine", integration=integration)
    evil = ["@evil.example", "/@evil.example/../..", "//evil.example/", ".evil.example/", "evil"]
    evil += ["\\@evil.example", "\\\\evil.example", "%40evil.example", "%2eevil.example/", ":80/"]
    evil += [":x@evil.example/", "\uff0eevil.example", "\u3002evil.example", "\u2024evil.example"]
    evil += ["/\\evil.example", "\t@evil.example", "\r\nHost: evil.example", "#@evil.example/"]
    evil += ["/../x", "/%2e%2e/x", "/..\\x", "https://evil.example/", "0", "]", "%00", "%5cevil"]
    for part in evil:
        body = {"url": part, "integration": integration}
        answers = [
            tenant.call("POST", "/v1/webhooks", body),
            tenant.call("PATCH", f"/v1/webhooks/{made['id']}", {"url": part}),
        ]
        for answer in answers:
            assert answer.status_code == 422, part
            assert (answer.json()["code"], answer.json()["field"]) == ("invalid_url", "url"), part
    seen = tenant.get("/v1/webhooks")["items"]
    assert [each["full_url"] for each in seen] == [root + "/fine"]


def test_m3_private_headers_are_hidden_everywhere(products: Shared, receiver: Receiver) -> None:
    tenant = products.tenant()
    policy = tenant.post("/v1/policies", QUICK)["id"]
    integration = an_integration(tenant, receiver.url, headers=HEADERS)
    made = tenant.webhook("/hook", integration=integration, policy=policy)
    receiver.rule = lambda _, before: (200 if before else 500, {})
    event = tenant.send("a.b")
    wait_until(lambda: [d["state"] for d in tenant.deliveries(event)] == ["succeeded"], 60)
    delivery = tenant.deliveries(event)[0]["id"]
    wait_until(lambda: len(tenant.attempts(delivery)) == 2, 60)
    tried = tenant.post(f"/v1/webhooks/{made['id']}/test", status=200)
    assert {got.headers["authorization"] for got in receiver.got} == {PRIVATE}
    seen = {header["key"]: header for header in made["headers"]}
    assert (seen["Authorization"]["value"], seen["X-Team"]["value"]) == (None, "sales")
    assert seen["Authorization"]["private"]
    assert seen["Authorization"]["inherited"]
    places = {"made": repr(made).encode(), "tried": repr(tried).encode()}
    paths = ["integrations", f"integrations/{integration}", "webhooks", f"webhooks/{made['id']}"]
    paths += [f"log/events/{event}", f"log/deliveries/{delivery}/attempts"]
    for path in [*paths, "log/deliveries", "log/deliveries/export?format=csv"]:
        places[path] = tenant.call("GET", f"/v1/{path}").content
    preview = tenant.call("POST", f"/v1/webhooks/{made['id']}/preview")
    assert "Authorization" in preview.text
    records = products.raw("config", "deliveries", "outcomes")
    assert any(integration.encode() in record.bytes for record in records)
    places |= {f"{n} of {record.topic}": record.bytes for n, record in enumerate(records)}
    places |= {"preview": preview.content} | products.tables() | products.logs()
    assert found({"private header": PRIVATE}, places) == []


def test_m4_method_display_name_system_name_and_description(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    for method in methods:
        names = {"name": f"{method}_orders-1", "display_name": f"Orders by {method}"}
        made = tenant.webhook(
            f"{receiver.url}/{method}", method=method, description="What it does", **names
        )
        seen = tenant.get(f"/v1/webhooks/{made['id']}")
        assert {key: seen[key] for key in names} == names
        assert (seen["description"], seen["method"]) == ("What it does", method)
    tenant.send("a.b", '{"price": 1.10}')
    wait_until(lambda: len(receiver.got) == 5, 60)
    assert {got.path: got.method for got in receiver.got} == {f"/{m}": m for m in methods}
    assert {got.method for got in receiver.got if b"1.10" in got.body} == set(methods) - {"GET"}
    path = f"/v1/webhooks/{made['id']}"
    for name, status in (("get_ORDERS-1", 409), ("a b", 422), ("a.b", 422), ("", 422)):
        answer = tenant.call("POST", "/v1/webhooks", {"url": receiver.url, "name": name})
        assert (answer.status_code, answer.json()["field"]) == (status, "name"), name
    answer = tenant.call("PATCH", path, {"name": "other"})
    assert (answer.status_code, answer.json()["field"]) == (422, "name")
    changed = tenant.call("PATCH", path, {"display_name": "Gone", "name": "DELETE_orders-1"}).json()
    assert (changed["display_name"], changed["name"]) == ("Gone", "DELETE_orders-1")
    answer = tenant.call("PATCH", path, {"method": "HEAD"})
    assert (answer.status_code, answer.json()["field"]) == (422, "method")
    free = products.tenant().webhook(receiver.url, name="get_orders-1")
    assert free["name"] == "get_orders-1", "unique within a workspace only"


def test_m5_inherited_headers_are_used_switched_off_or_replaced(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    inherited = [*HEADERS, {"key": "Content-Type", "value": "application/json"}]
    integration = an_integration(tenant, receiver.url + "/", headers=inherited)
    tenant.webhook("all", integration=integration)
    tenant.webhook("off", integration=integration, headers_off=["authorization", "X-TEAM"])
    mine = [{"key": "x-team", "value": "support"}, {"key": "webhookHeader", "value": "test"}]
    tenant.webhook("own", integration=integration, headers=mine)
    tenant.send("a.b")
    wait_until(lambda: len(receiver.got) == 3, 60)
    by_path = {got.path: got for got in receiver.got}
    every, off, own = by_path["/all"], by_path["/off"], by_path["/own"]
    assert (lines(every, "authorization"), lines(every, "x-team")) == ([PRIVATE], ["sales"])
    assert (lines(off, "authorization"), lines(off, "x-team")) == ([], [])
    assert (lines(own, "authorization"), lines(own, "x-team")) == ([PRIVATE], ["support"])
    assert lines(own, "webhookheader") == ["test"]
    for got in receiver.got:
        assert lines(got, "content-type") == ["application/json"], "one line"

    headers = [{"key": "authorization", "private": True}, {"key": "X-Team", "value": "success"}]
    path = f"/v1/integrations/{integration}"
    changed = tenant.call("PATCH", path, {"headers": headers, "root_url": receiver.url + "/v2/"})
    assert changed.status_code == 200, changed.text
    tenant.send("a.b")
    wait_until(lambda: len(receiver.got) == 6, 60)
    by_path = {got.path: got for got in receiver.got[3:]}
    assert lines(by_path["/v2/all"], "x-team") == ["success"]
    assert lines(by_path["/v2/all"], "authorization") == [PRIVATE], "kept, where no value came"
    assert lines(by_path["/v2/off"], "x-team") == []
    assert lines(by_path["/v2/own"], "x-team") == ["support"]
