"""Prefinery's Event Log (F7) and its docs with sample payloads (F8)."""

import json
from typing import Any

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.system.shared import Shared, Tenant

WITHIN_S = 60


def send(tenant: Tenant, user: str, type_: str) -> str:
    body = json.dumps({"type": type_, "subject": user, "data": {"email": f"{user}@example.com"}})
    answer = tenant.publish(body.encode())
    assert answer.status_code == 202, answer.text
    sent: str = answer.json()["id"]
    return sent


def logged(tenant: Tenant, query: str) -> list[dict[str, Any]]:
    """All deliveries of the log, page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = tenant.get(f"/v1/log/deliveries?limit=2&{query}&cursor={cursor}")
        found += page["items"]
        cursor = page.get("next") or ""
        if not cursor:
            return found


def events_of(tenant: Tenant, user: str) -> set[str]:
    """The events of a user that are logged: deliveries may be before their event is."""
    return {event["id"] for event in tenant.get(f"/v1/log/events?subject={user}")["items"]}


def test_f7_the_log_has_all_webhooks_sent_and_those_of_one_user(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda got, _: (404 if got.path == "/reject" else 200, {})
    tenant = products.tenant(default_policy="prefinery")
    hooks = {path: tenant.webhook(receiver.url + path)["id"] for path in ("/accept", "/reject")}
    sent = [
        (user, type_, send(tenant, user, type_))
        for user in ("user-1", "user-2")
        for type_ in ("user.invited", "user.activated")
    ]
    names = {hooks["/accept"]: "accepted", hooks["/reject"]: "rejected"}
    wanted = {
        (user, type_, event, hook, name)
        for user, type_, event in sent
        for hook, name in names.items()
    }

    def of(query: str) -> set[tuple[str, ...]]:
        rows = logged(tenant, query)
        fields = ("subject", "event_type", "event", "webhook", "state_name")
        found = [tuple(row[field] for field in fields) for row in rows]
        assert len(found) == len(set(found)), "each once"
        return set(found)

    wait_until(lambda: of("") == wanted, WITHIN_S)
    events = {user: {e for u, _, e in sent if u == user} for user in ("user-1", "user-2")}
    for user in events:
        assert of(f"subject={user}") == {row for row in wanted if row[0] == user}
    wait_until(lambda: {user: events_of(tenant, user) for user in events} == events, WITHIN_S)
    assert of("subject=user-3") == set()
    assert of(f"webhook={hooks['/reject']}") == {row for row in wanted if row[4] == "rejected"}


def test_f8_each_types_docs_and_sample_are_in_the_account_and_the_sample_is_what_is_sent(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="prefinery")
    sample = {"user": {"email": "ada@example.com", "position": 7}, "referred_by": None}
    described = {"group": "Users", "description": "A user was invited.", "sample": sample}
    tenant.post("/v1/event-types", {"name": "user.invited", **described})
    reader = products.tenant(tenant.workspace, role="viewer")
    (listed,) = reader.get("/v1/event-types?group=Users")["items"]
    shown = reader.get("/v1/event-types/user.invited")
    assert shown == listed
    assert {field: shown[field] for field in described} == described
    webhook = tenant.webhook(receiver.url + "/docs")["id"]
    tried = tenant.call("POST", f"/v1/webhooks/{webhook}/test", {"event_type": "user.invited"})
    assert tried.status_code in (200, 202), tried.text
    wait_until(lambda: receiver.got, WITHIN_S)
    assert json.loads(receiver.got[0].body) == sample
