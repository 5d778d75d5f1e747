"""Policies: the built-in ones as data, and those a workspace makes itself."""

import pytest

from hookstream.model.policy import Codes, Verification
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
        ({"name": "x", "waiting": [{"first": 300, "last": 200}]}, "value_error", "waiting"),
        ({"name": "x", "retry_on": ["never"]}, "literal_error", "retry_on"),
        ({"name": "x", "schedule": {"kind": "cubic"}}, "literal_error", "schedule.kind"),
        ({"name": "x", "schedule": {"window_ms": 0}}, "greater_than_equal", "schedule.window_ms"),
        (
            {"name": "x", "schedule": {"kind": "fixed", "max_requests": 3}},
            "missing",
            "schedule.delays_ms",
        ),
        (
            {"name": "x", "schedule": {"kind": "fixed", "delays_ms": [60_000]}},
            "missing",
            "schedule.max_requests",
        ),
        ({"name": "x", "most_requests": 0}, "greater_than_equal", "most_requests"),
        ({"name": "x", "envelope": "own"}, "literal_error", "envelope"),
        ({"name": "x", "signature": {"scheme": "md5"}}, "literal_error", "signature.scheme"),
        ({"name": "x", "state_names": {"lost": "gone"}}, "unknown_state", "state_names"),
        (
            {"name": "x", "verification": {"event_type": "no type"}},
            "invalid_type",
            "verification.event_type",
        ),
        ({"name": "x", "exact": None}, "not_null", "exact"),
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


@pytest.mark.parametrize("policy", DELAYS)
def test_a_built_in_policys_rules_make_the_same_policy_again(ours: Side, policy: str) -> None:
    given = ours.call("GET", f"/v1/policies/{policy}").json()["rules"]
    made = ours.made("/v1/policies", {"name": "copy", **given})
    assert made["rules"] == given
    path = f"/v1/policies/{made['id']}"
    assert ours.call("PATCH", path, given).json()["rules"] == given
    assert ours.call("GET", path).json()["rules"] == given


def test_what_the_products_rules_say_beyond_their_schedules() -> None:
    """design.md, *Policies*."""
    rules = {policy: found.rules for policy, found in builtin().items()}
    assert {p for p, r in rules.items() if r.retry_needs_transaction_id} == {"maestra"}
    assert {p: r.schedule.window_ms for p, r in rules.items() if r.schedule.window_ms} == {
        "maestra": 360_000
    }
    assert {p: r.most_requests for p, r in rules.items() if r.most_requests} == {"prestavi": 10}
    assert {p for p, r in rules.items() if not r.log_tests} == {"prefinery"}
    assert {p for p, r in rules.items() if not r.manual_retry} == {"prefinery"}
    assert {p for p, r in rules.items() if r.https_only} == {"prestavi", "workestra"}
    asked = {p: r.verification for p, r in rules.items() if r.verification}
    assert asked == {"workestra": Verification(event_type="endpoint.verify")}
    prefinery, prestavi = rules["prefinery"], rules["prestavi"]
    assert prefinery.state_name("succeeded") == "accepted"
    assert prefinery.state_name("failed", "rejected") == "rejected"
    assert prefinery.state_name("failed", "exhausted") == "failed"
    assert prestavi.state_name("retrying", "http_500") == "waiting"


def test_what_may_be_left_out_is_taken_away_by_null(ours: Side) -> None:
    made = ours.made("/v1/policies", {"name": "mine", **EXTRAS})
    path = f"/v1/policies/{made['id']}"
    assert {name: made["rules"][name] for name in EXTRAS} == EXTRAS
    nothing = dict.fromkeys(EXTRAS)
    changed = ours.call("PATCH", path, nothing).json()
    assert {name: changed["rules"][name] for name in EXTRAS} == nothing
    refused(ours.call("PATCH", path, {"success": None}), 422, "not_null", "success")


EXTRAS = {
    "most_requests": 5,
    "disable_after_failed_ms": 1000,
    "verification": {"event_type": "are.you.there", "success": [{"first": 204, "last": 204}]},
}


def test_p6_a_webhooks_own_retries_stay_within_its_policy(two: Two) -> None:
    ours = two.ours
    made = ours.made("/v1/policies", {"name": "open", "most_requests": 5})
    path = f"/v1/policies/{made['id']}"
    retry = {"delay_s": 60.29, "max_requests": 5}
    webhook = ours.made("/v1/webhooks", {"url": URL, "policy": made["id"], "retry": retry})
    assert webhook["retry"] == retry
    [compiled_one] = compiled(two.pool, "ours")
    delays = [due_after(compiled_one.policy.schedule, n) for n in range(1, 7)]
    assert delays == [60_290] * 4 + [None] * 2

    for change in ({"most_requests": 4}, {"most_requests": None}):
        refused(ours.call("PATCH", path, change), 409, "policy_in_use", "most_requests")
    at = f"/v1/webhooks/{webhook['id']}"
    six = {"retry": {"delay_s": 1, "max_requests": 6}}
    refused(ours.call("PATCH", at, six), 422, "too_many_requests", "retry.max_requests")
    refused(ours.call("PATCH", at, {"policy": "standard"}), 422, "retry_fixed", "retry")
    assert ours.call("PATCH", at, {"policy": "standard", "retry": None}).status_code in (200, 202)
    refused(ours.call("PATCH", at, {"retry": retry}), 422, "retry_fixed", "retry")
    assert ours.call("PATCH", path, {"most_requests": None}).status_code in (200, 202)


def test_retries_of_ones_own_end_before_the_delivery_is_forgotten(ours: Side) -> None:
    body = {"url": URL, "policy": "prestavi", "retry": {"delay_s": 86_400, "max_requests": 10}}
    answer = ours.call("POST", "/v1/webhooks", body)
    refused(answer, 422, "schedule_too_long", "retry.delay_s")


def test_built_in_policies_are_listed_and_do_not_change(ours: Side) -> None:
    ours.made("/v1/policies", {"name": "mine"})
    items = ours.call("GET", "/v1/policies").json()["items"]
    assert [item["id"] for item in items[:6]] == sorted(DELAYS)
    assert items[6]["name"] == "mine"
    refused(ours.call("PATCH", "/v1/policies/standard", {"name": "x"}), 409, "policy_builtin")
    refused(ours.call("POST", "/v1/policies", {"name": "MINE"}), 409, "name_taken", "name")
