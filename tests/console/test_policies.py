"""Policies: the built-in ones as data, and those a workspace makes itself."""

import pytest

from hookstream.model.policy import Codes
from hookstream.model.schedule import due_after
from hookstream.store.webhooks import compiled
from services.console.builtin import builtin
from tests.console.conftest import Two
from tests.console.served import Side
from tests.console.test_webhooks import URL, refused

DELAYS = {
    "standard": [5, 300, 1800, 7200, 18_000, 36_000, 50_400],
    "workestra": [5, 30, 120, 600],
    "prefinery": [5 + n**4 for n in range(1, 16)],
    "prestavi": [],
    "maestra": [30, 90, 210],
    "postpress": [10, 30, 120, 600, 1800],
}
"""Seconds from the end of the attempt before (design.md, *Policies*)."""


@pytest.mark.parametrize("policy", DELAYS)
def test_a_built_in_policy_retries_as_its_table_says(policy: str) -> None:
    rules = builtin()[policy].rules
    assert rules.id == policy
    plain = rules.schedule.__class__(
        **{f: getattr(rules.schedule, f) for f in rules.schedule.__struct_fields__}
        | {"jitter": 0.0}
    )
    made = [due_after(plain, n) for n in range(1, 40)]
    assert [delay // 1000 for delay in made if delay is not None] == DELAYS[policy]


def test_there_are_no_other_built_in_policies() -> None:
    assert set(builtin()) == set(DELAYS)


def test_a_policy_is_made_followed_and_changed_with_its_webhooks(two: Two) -> None:
    body = {
        "name": "fast",
        "schedule": {"delays_ms": [200, 400]},
        "success": [200, {"first": 202, "last": 204}],
    }
    made = two.ours.made("/v1/policies", body)
    assert made["rules"]["schedule"]["max_requests"] == 3
    webhook = two.ours.made("/v1/webhooks", {"url": URL, "policy": made["id"]})
    (before,) = compiled(two.pool, "ours")
    assert before.policy.success == (Codes(first=200, last=200), Codes(first=202, last=204))
    path = f"/v1/policies/{made['id']}"
    changed = two.ours.call("PATCH", path, {"deadline_ms": 1000})
    assert changed.json()["version"] == 2
    (after,) = compiled(two.pool, "ours")
    assert (after.version, after.policy.version, after.policy.deadline_ms) == (2, 2, 1000)
    assert two.ours.call("GET", f"/v1/webhooks/{webhook['id']}").json()["version"] == 2
    refused(two.ours.call("DELETE", path), 409, "policy_in_use")
    two.ours.call("DELETE", f"/v1/webhooks/{webhook['id']}")
    assert two.ours.call("DELETE", path).status_code == 200
    assert two.ours.call("GET", path).status_code == 404


def test_followers_keep_how_they_are_signed(ours: Side) -> None:
    made = ours.made("/v1/policies", {"name": "mine"})
    path = f"/v1/policies/{made['id']}"
    ours.made("/v1/webhooks", {"url": URL, "policy": made["id"]})
    answer = ours.call("PATCH", path, {"signature": {"scheme": "none"}})
    refused(answer, 409, "policy_in_use", "signature.scheme")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "missing", "name"),
        ({"name": "x", "success": []}, "no_success", "success"),
        ({"name": "x", "success": [99]}, "greater_than_equal", "success.first"),
        ({"name": "x", "deadline_ms": 1}, "greater_than_equal", "deadline_ms"),
        ({"name": "x", "schedule": {"delay_ms": [1]}}, "unknown_field", "schedule.delay_ms"),
        (
            {"name": "x", "schedule": {"delays_ms": [86_400_000] * 7}},
            "schedule_too_long",
            "schedule",
        ),
        (
            {"name": "x", "signature": {"scheme": "sha256", "header": "Host"}},
            "header_not_allowed",
            "signature.header",
        ),
    ],
)
def test_a_bad_policy_is_refused_by_its_field(
    ours: Side, body: dict[str, object], code: str, field: str
) -> None:
    refused(ours.call("POST", "/v1/policies", body), 422, code, field)


def test_built_in_policies_are_listed_and_do_not_change(ours: Side) -> None:
    ours.made("/v1/policies", {"name": "mine"})
    items = ours.call("GET", "/v1/policies").json()["items"]
    assert [item["id"] for item in items[:6]] == sorted(DELAYS)
    assert items[6]["name"] == "mine"
    refused(ours.call("PATCH", "/v1/policies/standard", {"name": "x"}), 409, "policy_builtin")
    refused(ours.call("POST", "/v1/policies", {"name": "MINE"}), 409, "name_taken", "name")
