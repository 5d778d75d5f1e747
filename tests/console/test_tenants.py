"""Every route, seen by the wrong ones: another workspace, no key, too low a role."""

from typing import Any

import pytest

from tests.console.conftest import Two
from tests.console.logged import log_something
from tests.console.served import OPERATOR, call

BODIES: dict[str, Any] = {
    "POST /v1/workspaces": {"name": "x"},
    "POST /v1/workspaces/{workspace}/keys": {},
    "POST /v1/workspaces/{workspace}/console-links": {},
    "PATCH /v1/workspaces/{workspace}": {"name": "x"},
    "POST /v1/keys": {},
    "POST /v1/webhooks": {"url": "https://example.com"},
    "PATCH /v1/webhooks/{webhook}": {"description": "x"},
    "POST /v1/webhooks/{webhook}/replay": {"from": "2026-01-01"},
    "POST /v1/event-types": {"name": "a.b"},
    "POST /v1/event-types/import": {"event_types": [{"name": "a.c"}]},
    "PATCH /v1/event-types/{name}": {"description": "x"},
    "POST /v1/policies": {"name": "x"},
    "POST /v1/integrations": {"name": "x", "root_url": "https://example.com"},
    "PATCH /v1/integrations/{integration}": {"name": "y"},
    "PATCH /v1/policies/{policy}": {"name": "y"},
}
TESTS = "/v1/webhooks/{webhook}/tests/{delivery}"
"""Knows deliveries that are tests, of which there is none here (tests/console/test_trials.py)."""
REPLAY = BODIES["POST /v1/webhooks/{webhook}/replay"]
INTEGRATION = BODIES["POST /v1/integrations"]
LEAST = {"GET": "viewer", "POST": "editor", "PATCH": "editor", "DELETE": "editor"}
LEAST |= {"POST /v1/webhooks/{webhook}/preview": "viewer"}  # it changes nothing


def routes(url: str) -> list[tuple[str, str]]:
    """Every (method, path) of the API."""
    schema = call(url, "", "GET", "/v1/openapi.json").json()
    return [(m.upper(), path) for path, methods in schema["paths"].items() for m in methods]


def for_admins(path: str) -> bool:
    return path.startswith(("/v1/keys", "/v1/workspaces"))


@pytest.fixture
def paths(two: Two) -> dict[str, str]:
    """Ids of what `theirs` has, by the name in the path."""
    webhook = two.theirs.made("/v1/webhooks", {"url": "https://example.com", "name": "theirs"})
    delivery, event = log_something(two.pool, "theirs", webhook["id"])
    return {
        "workspace": "theirs",
        "key": two.theirs.call("GET", "/v1/keys").json()["items"][0]["id"],
        "webhook": webhook["id"],
        "name": two.theirs.made("/v1/event-types", {"name": "their.type"})["name"],
        "policy": two.theirs.made("/v1/policies", {"name": "their policy"})["id"],
        "event": event,
        "delivery": delivery,
        "step": "pause",
        "integration": two.theirs.made("/v1/integrations", INTEGRATION)["id"],
        "replay": two.theirs.made(f"/v1/webhooks/{webhook['id']}/replay", REPLAY)["id"],
    }


def test_every_route_is_listed_with_its_body(two: Two) -> None:
    known = {f"{method} {path.replace(':path', '')}" for method, path in routes(two.url)}
    assert len(known) >= 30
    assert set(BODIES) <= known


def test_another_workspaces_ids_do_not_exist_and_lists_hold_none_of_them(
    two: Two, paths: dict[str, str]
) -> None:
    for method, path in routes(two.url):
        body = BODIES.get(f"{method} {path}")
        if path == "/v1/workspaces":
            assert two.ours.call(method, path, body).status_code == 403
        elif "{" in path:
            answer = two.ours.call(method, path.format(**paths), body)
            assert answer.status_code == 404, (method, path, answer.text)
            assert answer.json()["code"] == "not_found"
        elif method == "GET":
            answer = two.ours.call(method, path)
            assert answer.status_code == 200, (path, answer.text)
            for theirs in set(paths.values()) - {"pause"}:
                assert theirs not in answer.text, path


def test_the_owner_sees_what_is_its_own(two: Two, paths: dict[str, str]) -> None:
    for method, path in routes(two.url):
        if method == "GET" and path not in ("/v1/workspaces", TESTS):
            answer = two.theirs.call(method, path.format(**paths))
            assert answer.status_code == 200, (path, answer.text)


def test_without_a_valid_key_every_route_is_closed(two: Two, paths: dict[str, str]) -> None:
    for method, path in routes(two.url):
        body = BODIES.get(f"{method} {path}")
        for key in ("", "hk_wrong"):
            answer = call(two.url, key, method, path.format(**paths), body)
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.headers["www-authenticate"] == "Bearer"


def test_each_role_may_what_it_may_and_no_more(two: Two, paths: dict[str, str]) -> None:
    order = ["producer", "viewer", "editor", "admin"]
    for method, path in routes(two.url):
        if path == "/v1/workspaces" or (method, path) == ("GET", "/v1/workspaces/{workspace}"):
            continue
        least = LEAST.get(f"{method} {path}") or ("admin" if for_admins(path) else LEAST[method])
        below = order[order.index(least) - 1]
        body = BODIES.get(f"{method} {path}")
        answer = two.theirs.call(method, path.format(**paths), body, role=below)
        assert answer.status_code == 403, (method, path, below, answer.text)


def test_the_operator_has_no_workspace(two: Two) -> None:
    answer = call(two.url, OPERATOR, "GET", "/v1/webhooks")
    assert answer.status_code == 403
    assert answer.json()["code"] == "no_workspace"


def test_a_key_works_in_either_header_and_not_after_its_end(two: Two) -> None:
    made = two.ours.made("/v1/keys", {"role": "viewer", "name": "mine"})
    plain = call(two.url, "", "GET", "/v1/webhooks", X_API_KEY=made["key"])
    assert plain.status_code == 200
    assert two.ours.call("GET", f"/v1/keys/{made['id']}").json()["key"] is None
    two.ours.call("DELETE", f"/v1/keys/{made['id']}")
    assert call(two.url, made["key"], "GET", "/v1/webhooks").status_code == 401


def test_a_deleted_workspace_ends_its_keys_and_webhooks(two: Two, paths: dict[str, str]) -> None:
    assert call(two.url, OPERATOR, "DELETE", "/v1/workspaces/theirs").status_code == 202
    assert two.theirs.call("GET", "/v1/webhooks").status_code == 401
    assert call(two.url, OPERATOR, "GET", "/v1/workspaces/theirs").status_code == 404
    with two.pool.connection() as connection:
        states = connection.execute(
            "SELECT DISTINCT state FROM webhooks WHERE workspace = 'theirs'"
        ).fetchall()
    assert states == [("deleted",)]
