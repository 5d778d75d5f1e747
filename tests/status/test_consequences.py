"""When a webhook is disabled: pure, by policy, for the version that failed."""

import json

import pytest

from hookstream.model.policy import Policy
from hookstream.model.records import OWN_FAULT, Outcome
from services.status import telling
from services.status.consequences import is_failing, tally, why_disable
from tests.status.samples import NOON_MS, outcome, webhook

FIVE_DAYS_MS = 5 * 86_400_000
EXHAUSTED = outcome("failed", reason="exhausted", attempt_number=5)
GONE = outcome("failed", reason="gone")
RETRYING = outcome("retrying", reason="http_500")


@pytest.mark.parametrize(
    ("failed", "policy", "since_ms", "why"),
    [
        (GONE, Policy(id="p", name="p"), None, "gone"),
        (EXHAUSTED, Policy(id="p", name="p"), None, None),
        (EXHAUSTED, Policy(id="p", name="p", disable_after_exhausted=True), None, "exhausted"),
        (RETRYING, Policy(id="p", name="p", disable_after_exhausted=True), None, None),
        (RETRYING, Policy(id="p", name="p", disable_after_failed_ms=FIVE_DAYS_MS), NOON_MS, None),
        (
            RETRYING,
            Policy(id="p", name="p", disable_after_failed_ms=FIVE_DAYS_MS),
            RETRYING.ended_at_ms - FIVE_DAYS_MS,
            "failing",
        ),
    ],
)
def test_a_policy_says_when_a_webhook_is_disabled(
    failed: Outcome, policy: Policy, since_ms: int | None, why: str | None
) -> None:
    assert why_disable(failed, webhook(policy=policy), since_ms) == why


def test_another_version_or_state_is_left_alone() -> None:
    assert why_disable(GONE, webhook(version=2), None) is None
    assert why_disable(GONE, webhook(state="paused"), None) is None


def test_tests_count_for_nothing() -> None:
    assert tally([outcome("failed", kind="test", reason="gone")]) == ({}, {})


def test_what_was_a_fault_of_ours_counts_for_nothing() -> None:
    assert tally([outcome("failed", reason=OWN_FAULT)]) == ({}, {})


def test_a_success_ends_a_row_of_failures_but_not_a_deliverys_own_end() -> None:
    found = tally([RETRYING, EXHAUSTED, outcome(ended_at_ms=7), outcome("deferred", attempt=None)])
    assert found == ({"wh": 7}, {"wh": [EXHAUSTED]})


@pytest.mark.parametrize(
    ("failed", "since_ms", "long"),
    [
        (RETRYING, None, False),
        (RETRYING, RETRYING.ended_at_ms - 299, False),
        (RETRYING, RETRYING.ended_at_ms - 300, True),
        (outcome("retrying", event="evt_op_1", event_type="webhook.disabled"), 0, False),
        (outcome("failed", kind="test"), 0, False),
    ],
)
def test_failing_for_long_is_told_but_not_by_what_tells_of_others(
    failed: Outcome, since_ms: int | None, long: bool
) -> None:
    assert is_failing(failed, since_ms, 300) is long


def test_a_disabled_webhook_is_told_of_once_a_version() -> None:
    one, two = (telling.disabled(GONE, webhook(), "gone") for _ in range(2))
    assert one == two
    assert one.id != telling.disabled(outcome(webhook_version=2), webhook(), "gone").id
    assert (one.subject, one.source) == ("wh", "hookstream")
    assert json.loads(one.data) == {
        "webhook": "wh", "name": "orders", "reason": "gone", "delivery": "d1",
    }  # fmt: skip
