"""What waits: counted, given up, taken back, sent again (W7, W12); status does the rest."""

from typing import Any

import pytest

from hookstream.model.ids import released_id
from hookstream.model.records import Cancellation, Outcome
from hookstream.store import outbox
from tests.console.conftest import Two
from tests.console.logged import log_something
from tests.console.test_webhooks import URL, refused


@pytest.fixture
def webhook(two: Two) -> str:
    """A webhook of ours."""
    return str(two.ours.made("/v1/webhooks", {"url": URL, "name": "orders"})["id"])


def told(two: Two, topic: str) -> list[Any]:
    with two.pool.connection() as connection:
        return [r.decoded() for r in outbox.oldest(connection, 999) if r.topic == topic]


def park(two: Two, webhook: str, count: int) -> list[str]:
    logged = [log_something(two.pool, "ours", webhook, result="parked") for _ in range(count)]
    return [delivery for delivery, _ in logged]


def parked(two: Two, webhook: str) -> int:
    shown = two.ours.call("GET", f"/v1/webhooks/{webhook}").json()
    (listed,) = two.ours.call("GET", "/v1/webhooks").json()["items"]
    assert listed["parked"] == shown["parked"]
    return int(shown["parked"])


def test_w12_the_count_of_what_waits_is_shown_on_the_webhook(two: Two, webhook: str) -> None:
    assert parked(two, webhook) == 0
    park(two, webhook, 3)
    assert parked(two, webhook) == 3


def test_w12_enabling_asks_what_is_to_become_of_what_waits(two: Two, webhook: str) -> None:
    path = f"/v1/webhooks/{webhook}"
    two.ours.call("POST", f"{path}/disable")
    park(two, webhook, 2)
    answer = two.ours.call("POST", f"{path}/enable")
    assert "discard" in refused(answer, 409, "parked_undecided", "parked")
    assert two.ours.call("GET", path).json()["state"] == "disabled"
    answer = two.ours.call("POST", f"{path}/enable", {"parked": "keep"})
    refused(answer, 422, "literal_error", "parked")
    answer = two.ours.call("POST", f"{path}/enable", {"parked": "deliver"})
    assert answer.json()["state"] == "active"
    assert parked(two, webhook) == 2


@pytest.mark.parametrize(("away", "back"), [("pause", "resume"), ("disable", "enable")])
def test_w12_what_waits_can_be_discarded_on_the_way_back(
    two: Two, webhook: str, away: str, back: str
) -> None:
    path = f"/v1/webhooks/{webhook}"
    two.ours.call("POST", f"{path}/{away}")
    park(two, webhook, 2)
    answer = two.ours.call("POST", f"{path}/{back}", {"parked": "discard"})
    assert answer.json()["state"] == "active"
    assert parked(two, webhook) == 0


def test_w12_resuming_delivers_if_nothing_is_said(two: Two, webhook: str) -> None:
    path = f"/v1/webhooks/{webhook}"
    two.ours.call("POST", f"{path}/pause")
    park(two, webhook, 1)
    assert two.ours.call("POST", f"{path}/resume").json()["state"] == "active"
    assert parked(two, webhook) == 1
    answer = two.ours.call("POST", f"{path}/pause", {"parked": "discard"})
    refused(answer, 422, "unknown_field", "parked")


def test_w12_what_waits_is_discarded_at_any_time_and_what_comes_later_waits(
    two: Two, webhook: str
) -> None:
    path = f"/v1/webhooks/{webhook}"
    two.ours.call("POST", f"{path}/disable")
    park(two, webhook, 3)
    answer = two.ours.call("POST", f"{path}/parked/discard")
    assert (answer.status_code, answer.json()) == (202, {"webhook": webhook, "discarded": 3})
    assert parked(two, webhook) == 0
    assert two.ours.call("POST", f"{path}/parked/discard", role="viewer").status_code == 403
    assert two.theirs.call("POST", f"{path}/parked/discard").status_code == 404
    assert two.ours.call("POST", f"{path}/enable").json()["state"] == "active"


@pytest.mark.parametrize("state", ["retrying", "deferred", "rekeyed"])
def test_a_delivery_that_waits_for_its_turn_is_cancelled(
    two: Two, webhook: str, state: str
) -> None:
    delivery, event = log_something(two.pool, "ours", webhook, result=state)
    path = f"/v1/log/deliveries/{delivery}/cancel"
    answer = two.ours.call("POST", path)
    assert answer.status_code == 202
    assert (answer.json()["id"], answer.json()["reason"]) == (delivery, "by_hand")
    assert two.ours.call("POST", path).status_code == 202  # the log does not know yet
    (record,) = [r for r in told(two, "config") if isinstance(r, Cancellation)]
    assert (record.delivery, record.workspace) == (delivery, "ours")
    (ended,) = told(two, "outcomes")
    assert isinstance(ended, Outcome)
    assert (ended.delivery, ended.turn, ended.result, ended.reason, ended.event) == (
        delivery, None, "cancelled", "by_hand", event,
    )  # fmt: skip
    assert two.theirs.call("POST", path).status_code == 404
    assert two.ours.call("POST", path, role="viewer").status_code == 403


def test_a_parked_delivery_that_is_cancelled_leaves_the_others_waiting(
    two: Two, webhook: str
) -> None:
    first, second = park(two, webhook, 2)
    assert two.ours.call("POST", f"/v1/log/deliveries/{first}/cancel").status_code == 202
    assert parked(two, webhook) == 1
    assert [o.delivery for o in told(two, "outcomes")] == [first]
    assert [r for r in told(two, "config") if isinstance(r, Cancellation)] == []
    again = two.ours.call("POST", f"/v1/log/deliveries/{first}/cancel")
    refused(again, 409, "has_ended", "state")
    assert second not in again.text


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_what_has_ended_cannot_be_cancelled(two: Two, webhook: str, state: str) -> None:
    delivery, _ = log_something(two.pool, "ours", webhook, result=state)
    answer = two.ours.call("POST", f"/v1/log/deliveries/{delivery}/cancel")
    assert "resend" in refused(answer, 409, "has_ended", "state")


def test_what_the_receiver_has_cannot_be_cancelled(two: Two, webhook: str) -> None:
    delivery, _ = log_something(two.pool, "ours", webhook, result="waiting")
    answer = two.ours.call("POST", f"/v1/log/deliveries/{delivery}/cancel")
    refused(answer, 409, "with_the_receiver")


def test_what_was_released_goes_on_as_another_delivery_and_is_not_sent_again(
    two: Two, webhook: str
) -> None:
    delivery, _ = log_something(two.pool, "ours", webhook, result="cancelled", reason="released")
    answer = two.ours.call("POST", f"/v1/log/deliveries/{delivery}/resend")
    assert released_id(delivery) in refused(answer, 409, "still_running")


def test_a_replay_is_noted_once_for_a_key_and_can_be_stopped(two: Two, webhook: str) -> None:
    path = f"/v1/webhooks/{webhook}/replay"
    body = {"from": "2026-01-01T00:00:00Z", "till": "2026-01-02"}
    made = two.ours.call("POST", path, body, idempotency_key="k")
    again = two.ours.call("POST", path, body, idempotency_key="k")
    assert made.status_code == 202
    assert made.json()["id"] == again.json()["id"]
    assert (made.json()["from"], made.json()["till"]) == (
        "2026-01-01T00:00:00Z",
        "2026-01-02T00:00:00Z",
    )
    assert (made.json()["state"], made.json()["only_failed"]) == ("running", True)
    (listed,) = two.ours.call("GET", f"/v1/webhooks/{webhook}/replays").json()["items"]
    assert listed["id"] == made.json()["id"]
    stop = f"/v1/webhooks/{webhook}/replays/{listed['id']}/cancel"
    assert two.theirs.call("POST", stop).status_code == 404
    assert two.ours.call("POST", stop).json()["state"] == "cancelled"


def test_a_replay_that_cannot_be_is_refused(two: Two, webhook: str) -> None:
    path = f"/v1/webhooks/{webhook}/replay"
    refused(two.ours.call("POST", path, {}), 422, "missing", "from")
    body = {"from": "2026-01-02", "till": "2026-01-01"}
    refused(two.ours.call("POST", path, body), 422, "empty_span", "from")
    refused(two.ours.call("POST", path, {"from": "2100-01-01"}), 422, "empty_span", "from")
    refused(
        two.ours.call("POST", path, {"from": "soon"}), 422, "datetime_from_date_parsing", "from"
    )
    strict = two.ours.made("/v1/webhooks", {"url": URL, "policy": "prefinery"})["id"]
    answer = two.ours.call("POST", f"/v1/webhooks/{strict}/replay", {"from": "2026-01-01"})
    refused(answer, 409, "manual_retry_forbidden")


def test_w7_nothing_is_published_of_where_requests_leave_from_unless_it_is_set(two: Two) -> None:
    assert two.ours.call("GET", "/v1/egress", role="viewer").json() == {"networks": []}


def test_status_ends_what_waited_for_a_webhook_that_the_console_deleted(
    two: Two, webhook: str
) -> None:
    """The console's transaction does not grow with what waits."""
    park(two, webhook, 3)
    assert two.ours.call("DELETE", f"/v1/webhooks/{webhook}").status_code == 202
    assert told(two, "outcomes") == []
