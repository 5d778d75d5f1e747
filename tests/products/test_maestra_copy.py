"""Maestra's Copy (M9)."""

from standardwebhooks import Webhook as Standard

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.system.shared import Shared

OWN = {"id", "name", "state", "state_reason", "version", "secret", "created_at", "changed_at"}
OWN |= {"signing_keys"}


def test_m9_a_copy_starts_paused_with_a_name_and_a_secret_of_its_own(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    private = {"key": "Authorization", "value": "Bearer of-the-receiver", "private": True}
    inherited = {"key": "X-Key", "value": "of-the-integration", "private": True}
    root = {"name": "CRM", "root_url": receiver.url + "/v3", "rate_per_s": 50}
    shared = tenant.post("/v1/integrations", root | {"headers": [inherited]})
    made = tenant.webhook(
        "/hook",
        integration=shared["id"],
        name="crm",
        display_name="CRM",
        description="Contacts",
        events=["contact.*"],
        headers=[private, {"key": "X-Plain", "value": "seen"}],
        properties={"team": "sales"},
    )
    copied = tenant.post(f"/v1/webhooks/{made['id']}/copy", {"name": "crm-2"})
    assert (copied["name"], copied["state"], copied["version"]) == ("crm-2", "paused", 1)
    assert copied["secret"] != made["secret"]
    assert "secret" not in {k for k, v in tenant.get(f"/v1/webhooks/{copied['id']}").items() if v}
    alike = set(made) - OWN
    assert copied["integration"] == shared["id"]
    assert {k: copied[k] for k in alike} == {k: made[k] for k in alike}
    event = tenant.send("contact.created")

    def states() -> dict[str, str]:
        return {d["webhook_name"]: d["state"] for d in tenant.deliveries(event)}

    wait_until(lambda: states() == {"crm": "succeeded", "crm-2": "parked"}, 60)
    tenant.post(f"/v1/webhooks/{copied['id']}/resume", status=200)
    wait_until(lambda: len(receiver.got) == 2, 60)
    first, second = receiver.got
    assert first.id == second.id == event
    for got, secret in ((first, made["secret"]), (second, copied["secret"])):
        Standard(secret).verify(got.body, got.headers)
        assert got.headers["authorization"] == "Bearer of-the-receiver"
        assert got.headers["x-plain"] == "seen"
        assert got.headers["x-key"] == "of-the-integration"
        assert got.path == "/v3/hook"


def test_m9_a_copys_name_is_made_up_or_must_be_free(products: Shared) -> None:
    tenant = products.tenant()
    made = tenant.webhook("https://example.com/hook", name="crm")
    path = f"/v1/webhooks/{made['id']}/copy"
    assert tenant.post(path)["name"] not in ("crm", "")
    for name, status in (("CRM", 409), ("a b", 422)):
        answer = tenant.call("POST", path, {"name": name})
        assert (answer.status_code, answer.json()["field"]) == (status, "name")
