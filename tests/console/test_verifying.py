"""When a webhook must answer a verification first (W3): decisions, and what is asked."""

from typing import Any

import pytest

from hookstream.model.policy import Policy, Verification
from hookstream.store.webhooks import WebhookRow
from services.console.verifying import ASKED, gated, verification_event
from tests.console.conftest import Two
from tests.unit.values import a_policy, a_webhook

URL = "https://example.com/hook"
ASKS = a_policy(verification=Verification(event_type="endpoint.verify"))
PLAIN = a_policy()


def a_row(**changes: Any) -> WebhookRow:
    fields: dict[str, Any] = {
        "id": "wh_1",
        "workspace": "ws_1",
        "name": "crm",
        "url": URL,
        "events": ["*"],
    }
    fields |= {"policy": "p", "secrets": [], "headers": b"\x90"}
    return WebhookRow(**{**fields, **changes})


VERIFIED = a_row(verified_url=URL)


@pytest.mark.parametrize(
    ("before", "after", "policy", "state", "keeps_events"),
    [
        (None, a_row(), PLAIN, "active", False),
        (None, a_row(), ASKS, "unverified", False),
        (None, a_row(state="paused"), ASKS, "paused", False),
        (a_row(state="unverified"), a_row(state="unverified"), ASKS, "unverified", False),
        (VERIFIED, VERIFIED, ASKS, "active", True),
        (VERIFIED, a_row(verified_url="https://example.com/old"), ASKS, "unverified", True),
        (a_row(state="paused"), a_row(), ASKS, "unverified", True),  # what was parked stays so
        (a_row(state="paused", verified_url=URL), VERIFIED, ASKS, "active", True),
        (a_row(), a_row(state="disabled"), ASKS, "disabled", False),
        (a_row(), a_row(), ASKS, "unverified", True),  # it took a policy that asks
        (a_row(state="unverified"), a_row(state="unverified"), PLAIN, "active", False),
    ],
)
def test_a_webhook_is_active_once_its_url_as_it_is_now_has_answered(
    before: WebhookRow | None, after: WebhookRow, policy: Policy, state: str, keeps_events: bool
) -> None:
    row = gated(before, after, policy, URL)
    assert row.state == state
    assert (row.verified_url is not None) is keeps_events
    assert row.state_reason == (ASKED if state == "unverified" else None)


def test_the_event_has_no_data_and_is_dated_to_the_second() -> None:
    event = verification_event(a_webhook(policy=ASKS), "evt_test_1", 1_710_498_600_789)
    assert (event.type, event.data) == ("endpoint.verify", b"")
    assert event.created_at_ms == 1_710_498_600_000


def test_an_edit_of_a_policy_asks_or_frees_who_follows_it(two: Two) -> None:
    policy = two.ours.made("/v1/policies", {"name": "ours"})["id"]
    webhook = two.ours.made("/v1/webhooks", {"url": URL, "policy": policy})["id"]

    def state_after(change: dict[str, Any]) -> str:
        assert two.ours.call("PATCH", f"/v1/policies/{policy}", change).status_code == 202
        found: str = two.ours.call("GET", f"/v1/webhooks/{webhook}").json()["state"]
        return found

    assert state_after({"verification": {}}) == "unverified"
    assert state_after({"verification": None}) == "active"


def test_another_root_of_its_integration_is_another_url(two: Two) -> None:
    root = {"name": "CRM", "root_url": "https://example.com/v1"}
    shared = two.ours.made("/v1/integrations", root)["id"]
    policy = two.ours.made("/v1/policies", {"name": "ours"})["id"]
    given = {"url": "/hook", "integration": shared, "policy": policy}
    path = f"/v1/webhooks/{two.ours.made('/v1/webhooks', given)['id']}"
    with two.pool.connection() as connection:  # as if it had answered
        connection.execute("UPDATE webhooks SET verified_url = 'https://example.com/v1/hook'")
    two.ours.call("PATCH", f"/v1/policies/{policy}", {"verification": {}})
    assert two.ours.call("GET", path).json()["state"] == "active"
    other = {"root_url": "https://example.org/v2"}
    assert two.ours.call("PATCH", f"/v1/integrations/{shared}", other).status_code == 202
    assert two.ours.call("GET", path).json()["state"] == "unverified"
