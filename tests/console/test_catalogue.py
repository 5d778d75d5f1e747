"""The catalogue as a whole: import, groups, types that came by themselves."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hookstream.model.records import Event
from hookstream.store import event_types
from hookstream.store.change import change
from services.status.registration import register
from tests.console.conftest import Two
from tests.console.served import Side
from tests.console.test_webhooks import refused
from tests.fixtures.kafka import wait_until

TYPES: list[dict[str, Any]] = [
    {"name": "contact.created", "group": "CRM", "description": "Added", "sample": {"id": "c"}},
    {"name": "deal.won", "group": "CRM", "json_schema": {"type": "object"}, "sample": {}},
    {"name": "ping"},
]


def imported(side: Side, types: list[Any]) -> dict[str, list[str]]:
    answer = side.call("POST", "/v1/event-types/import", {"event_types": types}, "editor")
    assert answer.status_code == 200, answer.text
    done = answer.json()
    return {what: done[what] for what in ("created", "changed", "unchanged")}


def versions(side: Side) -> dict[str, int]:
    return {t["name"]: t["version"] for t in side.call("GET", "/v1/event-types").json()["items"]}


def seen(two: Two, workspace: str, *names: str, most: int = 1000) -> None:
    """Status has read events of these types."""
    events = [
        Event(workspace=workspace, id=f"e{n}", type=name, created_at_ms=0, data=b"{}")
        for n, name in enumerate(names)
    ]
    with change(two.pool, "status") as transaction:
        register(transaction, events, most)


def test_an_import_creates_changes_and_leaves_what_is_the_same(ours: Side) -> None:
    names = [each["name"] for each in TYPES]
    assert imported(ours, TYPES) == {"created": names, "changed": [], "unchanged": []}
    assert imported(ours, TYPES) == {"created": [], "changed": [], "unchanged": names}
    assert versions(ours) == dict.fromkeys(names, 1)
    again = [{"name": "deal.won", "description": "Closed as won"}, {"name": "contact.created"}]
    assert imported(ours, again) == {
        "created": [], "changed": ["deal.won"], "unchanged": ["contact.created"],
    }  # fmt: skip
    changed = ours.call("GET", "/v1/event-types/deal.won").json()
    assert (changed["version"], changed["description"], changed["group"]) == (
        2, "Closed as won", "CRM",
    )  # fmt: skip
    ours.call("DELETE", "/v1/event-types/ping")
    assert imported(ours, [{"name": "ping"}])["created"] == ["ping"]
    assert versions(ours)["ping"] == 3


def test_a_refused_import_names_the_item_and_leaves_nothing(ours: Side) -> None:
    def told(*types: Any) -> dict[str, Any]:
        answer = ours.call("POST", "/v1/event-types/import", {"event_types": [TYPES[0], *types]})
        assert answer.status_code == 422, answer.text
        problem: dict[str, Any] = answer.json()
        return problem

    misfit = {"name": "a.b", "json_schema": {"type": "object"}, "sample": []}
    cases = [
        ({"name": "a b"}, "invalid_type", "event_types[1].name"),
        ({"group": "x"}, "missing", "event_types[1].name"),
        ({"name": "a.b", "grup": "x"}, "unknown_field", "event_types[1].grup"),
        ({"name": "a.b", "group": "x" * 200}, "string_too_long", "event_types[1].group"),
        (misfit, "schema_mismatch", "event_types[1].sample"),
        ({"name": "a.b", "json_schema": {"type": 1}}, "invalid_schema", "event_types[1].json_sch"),
        ({"name": "a.b", "sample": "x" * 300_000}, "too_large", "event_types[1].sample"),
        (TYPES[0], "repeated_type", "event_types[1].name"),
        ("a.b", "not_an_object", "event_types[1]"),
    ]
    for each, code, field in cases:
        problem = told(each)
        assert problem["code"] == code, problem
        assert problem["field"].startswith(field), problem
    assert told(misfit)["detail"].startswith("a.b: ")
    assert versions(ours) == {}


def test_an_import_is_bounded(ours: Side) -> None:
    for types in ([], [{"name": f"t{n}"} for n in range(1001)]):
        answer = ours.call("POST", "/v1/event-types/import", {"event_types": types})
        assert answer.status_code == 422, answer.text
        assert answer.json()["field"] == "event_types"
    answer = ours.call("POST", "/v1/event-types/import", {"event_types": TYPES}, "viewer")
    refused(answer, 403, "role_too_low", "")


def test_a_thousand_types_are_one_import(ours: Side) -> None:
    types = [{"name": f"t{n:04}", "group": f"g{n % 3}"} for n in range(1000)]
    assert len(imported(ours, types)["created"]) == 1000
    assert len(imported(ours, types)["unchanged"]) == 1000


def test_the_catalogue_is_listed_by_group(two: Two) -> None:
    imported(two.ours, TYPES)
    imported(two.theirs, [{"name": "their.own", "group": "CRM"}])
    assert two.ours.call("GET", "/v1/event-type-groups").json()["items"] == [
        {"group": "CRM", "event_types": 2},
        {"group": None, "event_types": 1},
    ]

    def names(query: str) -> list[str]:
        page = two.ours.call("GET", f"/v1/event-types?{query}").json()
        return [each["name"] for each in page["items"]]

    assert names("group=CRM") == ["contact.created", "deal.won"]
    assert names("group=") == ["ping"]
    assert names("group=crm") == []
    first = two.ours.call("GET", "/v1/event-types?group=CRM&limit=1").json()
    assert names(f"group=CRM&cursor={first['next']}") == ["deal.won"]


def test_a_type_registers_itself_only_where_the_workspace_wants_it(two: Two) -> None:
    two.ours.call("PATCH", "/v1/workspaces/ours", {"unknown_types": "register"})
    imported(two.ours, [{"name": "known", "description": "ours"}])
    seen(two, "ours", "known", "came.new", "came.new", "no type", "\0")
    seen(two, "theirs", "came.new")
    assert versions(two.theirs) == {}
    assert versions(two.ours) == {"came.new": 1, "known": 1}
    row = two.ours.call("GET", "/v1/event-types/came.new").json()
    assert (row["registered"], row["description"], row["sample"]) == (True, None, None)
    assert two.ours.call("GET", "/v1/event-types/known").json()["registered"] is False


def test_a_person_may_make_a_type_that_registered_itself_before(two: Two) -> None:
    two.ours.call("PATCH", "/v1/workspaces/ours", {"unknown_types": "register"})
    seen(two, "ours", "a", "b", "c")
    made = two.ours.made("/v1/event-types", {"name": "a", "description": "mine"})
    assert (made["version"], made["registered"]) == (2, False)
    refused(two.ours.call("POST", "/v1/event-types", {"name": "a"}), 409, "name_taken", "name")
    changed = two.ours.call("PATCH", "/v1/event-types/b", {"description": "mine"}).json()
    assert changed["registered"] is False
    assert imported(two.ours, [{"name": "c"}])["changed"] == ["c"]


def test_a_person_who_makes_a_type_while_it_registers_itself_waits_and_has_it(two: Two) -> None:
    two.ours.call("PATCH", "/v1/workspaces/ours", {"unknown_types": "register"})
    event = Event(workspace="ours", id="e", type="a", created_at_ms=0, data=b"{}")
    with ThreadPoolExecutor(1) as pool:
        with change(two.pool, "status") as transaction:
            register(transaction, [event])
            asked = pool.submit(two.ours.made, "/v1/event-types", {"name": "a", "group": "g"})
            wait_until(lambda: _waits_for_a_lock(two), 30)
        made = asked.result(30)
    assert (made["version"], made["group"], made["registered"]) == (2, "g", False)


def _waits_for_a_lock(two: Two) -> bool:
    with two.pool.connection() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        row = connection.execute(query).fetchone()
    return bool(row and row[0])


def test_a_workspace_learns_so_many_types_and_no_more(two: Two) -> None:
    two.ours.call("PATCH", "/v1/workspaces/ours", {"unknown_types": "register"})
    seen(two, "ours", "a", "b", "c", most=2)
    assert sorted(versions(two.ours)) == ["a", "b"]
    seen(two, "ours", "d", most=2)
    two.ours.call("PATCH", "/v1/event-types/a", {"description": "described: counts no more"})
    seen(two, "ours", "e", "d", most=2)
    assert sorted(versions(two.ours)) == ["a", "b", "d"]
    with two.pool.connection() as connection:
        assert event_types.unregistered(connection.cursor(), [("ours", "z")], 2) == []


def test_what_the_router_refuses_registers_nothing(two: Two) -> None:
    two.ours.call("PATCH", "/v1/workspaces/ours", {"unknown_types": "register"})
    broken = Event(workspace="ours", id="e", type="broken", created_at_ms=0, data=b"{")
    with change(two.pool, "status") as transaction:
        register(transaction, [broken])
    assert versions(two.ours) == {}


def test_what_registered_itself_is_published_and_audited(two: Two) -> None:
    two.ours.call("PATCH", "/v1/workspaces/ours", {"unknown_types": "register"})
    seen(two, "ours", "came.new")
    with two.pool.connection() as connection:
        told = connection.execute("SELECT key FROM outbox WHERE key LIKE 'event_type/%'").fetchall()
        audit = connection.execute(
            "SELECT actor, action FROM audit WHERE kind = 'event_type'"
        ).fetchall()
    assert told == [("event_type/ours/came.new",)]
    assert audit == [("status", "create")]
