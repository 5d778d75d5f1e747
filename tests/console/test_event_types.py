"""/v1/event-types: the catalogue."""

from tests.console.served import Side
from tests.console.test_webhooks import refused

SCHEMA = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}


def test_a_type_is_added_changed_deleted_and_can_come_back(ours: Side) -> None:
    body = {"name": "contact.created", "group": "CRM", "json_schema": SCHEMA, "sample": {"id": 1}}
    made = ours.made("/v1/event-types", body)
    assert (made["version"], made["json_schema"], made["sample"]) == (1, SCHEMA, {"id": 1})
    refused(ours.call("POST", "/v1/event-types", body), 409, "name_taken", "name")
    path = "/v1/event-types/contact.created"
    changed = ours.call("PATCH", path, {"group": None, "description": "new"}).json()
    assert (changed["group"], changed["description"], changed["sample"]) == (None, "new", {"id": 1})
    ours.call("DELETE", path)
    assert ours.call("GET", path).status_code == 404
    assert ours.made("/v1/event-types", {"name": "contact.created"})["version"] == 4


def test_what_is_no_schema_or_does_not_fit_it_is_refused(ours: Side) -> None:
    answer = ours.call("POST", "/v1/event-types", {"name": "a.b", "json_schema": {"type": "odd"}})
    refused(answer, 422, "invalid_schema", "json_schema")
    body = {"name": "a.b", "json_schema": SCHEMA, "sample": {"id": "x"}}
    refused(ours.call("POST", "/v1/event-types", body), 422, "schema_mismatch", "sample")
    refused(ours.call("POST", "/v1/event-types", {"name": "a b"}), 422, "invalid_type", "name")


def test_a_schema_may_be_true_or_false_and_no_other_bare_value(ours: Side) -> None:
    assert ours.made("/v1/event-types", {"name": "a", "json_schema": True})["json_schema"] is True
    bare: tuple[object, ...] = (1, "true", [])
    for value in bare:
        answer = ours.call("POST", "/v1/event-types", {"name": "b", "json_schema": value})
        assert answer.status_code == 422, answer.text
        assert answer.json()["field"].startswith("json_schema")
