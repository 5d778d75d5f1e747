"""Workestra's catalogue (W1) and envelope (W4)."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from services.cli.main import main
from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.system.shared import Shared, Tenant

FILE = Path(__file__).parents[2] / "docs" / "catalogues" / "workestra.json"
GROUPS = {
    "CRM": "contact.created contact.updated contact.deleted deal.created deal.updated"
    " deal.stage_changed deal.won deal.lost activity.created",
    "Recruiting": "candidate.created candidate.updated job.created application.received"
    " interview.scheduled",
    "Project": "task.created task.updated task.completed cycle.started cycle.ended",
    "Finance": "invoice.created invoice.paid invoice.overdue expense.created",
    "Support": "ticket.created ticket.updated ticket.resolved ticket.escalated",
}
SECRET = "your_webhook_secret"
WITHIN_S = 60


def import_file(system: Shared, tenant: Tenant, file: Path = FILE) -> str:
    """What the command prints."""
    arguments = ["event-types", "import", str(file), "--url", system.system.ports.console_url]
    done = CliRunner().invoke(main, arguments, env={"HOOKSTREAM_KEY": tenant.key})
    assert done.exit_code == 0, done.output
    return done.output


def catalogue(tenant: Tenant, query: str = "") -> dict[str, dict[str, Any]]:
    page = tenant.get(f"/v1/event-types?limit=100{query}")
    assert "next" not in page or page["next"] is None
    return {each["name"]: each for each in page["items"]}


def test_w1_the_catalogue_is_imported_in_groups_each_type_described_and_sampled(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="workestra", unknown_types="refuse")
    assert import_file(products, tenant).split()[:2] == ["created", "27"]
    assert import_file(products, tenant).splitlines()[2].split()[:2] == ["unchanged", "27"]
    counted = tenant.get("/v1/event-type-groups")["items"]
    assert {each["group"]: each["event_types"] for each in counted} == {
        "CRM": 9, "Finance": 4, "Project": 5, "Recruiting": 5, "Support": 4,
    }  # fmt: skip
    for group, names in GROUPS.items():
        types = catalogue(tenant, f"&group={group}")
        assert list(types) == sorted(names.split())
        assert all(each["description"] and each["sample"] for each in types.values())
    tenant.webhook(receiver.url + "/hook", secret=SECRET)
    samples = {name: each["sample"] for name, each in catalogue(tenant).items()}
    for name, sample in samples.items():
        tenant.send(name, json.dumps(sample))
    wait_until(lambda: len(sent_to(receiver)) == 27, WITHIN_S)
    assert {each["type"]: each["data"] for each in sent_to(receiver)} == samples


def sent_to(receiver: Receiver) -> list[dict[str, Any]]:
    bodies = [json.loads(got.body) for got in list(receiver.got)]
    return [body for body in bodies if body["type"] != "endpoint.verify"]


def test_w1_a_file_that_is_refused_names_the_type_and_leaves_nothing(
    products: Shared, tmp_path: Path
) -> None:
    tenant = products.tenant()
    file = tmp_path / "types.json"
    file.write_text('{"event_types": [{"name": "a.ok"}, {"name": "b.bad", "json_schema": 1}]}')
    arguments = ["event-types", "import", str(file), "--url", products.system.ports.console_url]
    done = CliRunner().invoke(main, arguments, env={"HOOKSTREAM_KEY": tenant.key})
    assert done.exit_code == 1
    assert "event_types[1].json_schema" in done.output
    assert "b.bad" in done.output
    assert catalogue(tenant) == {}


def test_w1_a_types_schema_is_enforced_and_an_unknown_type_refused(products: Shared) -> None:
    tenant = products.tenant(default_policy="workestra", unknown_types="refuse")
    import_file(products, tenant)
    schema = {"type": "object", "required": ["id"]}
    tenant.post("/v1/event-types", {"name": "deal.signed", "json_schema": schema})
    tenant.send("deal.signed", '{"id": "deal_1"}')
    misfit = tenant.publish(b'{"type": "deal.signed", "data": {}}')
    assert (misfit.status_code, misfit.json()["code"]) == (422, "schema_mismatch")
    unknown = tenant.publish(b'{"type": "deal.wonn", "data": {}}')
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_type")
    assert "deal.won" in unknown.json()["hint"]


@pytest.mark.parametrize("mode", ["accept", "register"])
def test_w1_unknown_types_register_themselves_where_the_workspace_wants_it(
    products: Shared, mode: str
) -> None:
    tenant = products.tenant(unknown_types=mode)
    event = tenant.send("came.by_itself", "{}")
    wait_until(lambda: tenant.call("GET", f"/v1/log/events/{event}").status_code == 200, WITHIN_S)
    found = catalogue(tenant)
    if mode == "accept":
        assert found == {}
    else:
        assert found["came.by_itself"]["registered"] is True
        assert found["came.by_itself"]["description"] is None


def test_w4_the_envelope_carries_the_producers_time_and_the_very_bytes_of_data(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="workestra")
    tenant.webhook(receiver.url + "/hook", secret=SECRET)
    data = rb'{ "id": "con_def456","price": 1.10, "n":1e2,  "name":"Ad\u0061 \/ \u00e9" }'
    answer = tenant.publish(
        b'{"id":"evt_1234567890","type":"contact.created",'
        b'"created_at":"2024-03-15T10:30:00Z","data":' + data + b"}"
    )
    assert answer.status_code == 202, answer.text
    wait_until(lambda: sent_to(receiver), WITHIN_S)
    assert receiver.got[-1].body == (
        b'{"id":"evt_1234567890","type":"contact.created","created_at":"2024-03-15T10:30:00Z",'
        b'"workspace_id":"' + tenant.workspace.encode() + b'","data":' + data + b"}"
    )
