"""Operational events: raised in the transaction of the batch, once for each occasion."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from hookstream.model.records import Event, Outcome
from hookstream.store import offsets, outbox
from hookstream.store.offsets import Position
from hookstream.store.pool import Connection
from hookstream.store.session import Session
from hookstream.store.views import Views
from services.status.outcomes_to_views import OutcomesToViews
from services.status.upkeep import today
from tests.status.samples import at, move, outcome, put_webhook, webhook

NOW_MS = int(datetime.now(UTC).timestamp() * 1000)
POSITIONS = {("outcomes", 0): Position(0)}
Write = Callable[..., list[Event]]


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        offsets.begin(connection, {("outcomes", 0): 0})
        put_webhook(connection, webhook())
        yield connection


@pytest.fixture
def write(dsn: str, connection: Connection) -> Write:
    """Writes a batch; the events that it raised."""
    to_views = OutcomesToViews(Views(Session(dsn), 30, today), failing_after_s=10)
    place = 0

    def written(*batch: Outcome) -> list[Event]:
        nonlocal place
        before = events(connection)
        to_views(
            [at(o, place + n) for n, o in enumerate(batch)],
            move(place, place + len(batch)),
            POSITIONS,
        )
        place += len(batch)
        return events(connection)[len(before) :]

    return written


def events(connection: Connection) -> list[Event]:
    found = [row.decoded() for row in outbox.oldest(connection, 100) if row.topic == "events"]
    return [event for event in found if isinstance(event, Event)]


def types(raised: list[Event]) -> list[str]:
    return [event.type for event in raised]


def after(seconds: int, result: Any = "retrying", **more: Any) -> Outcome:
    """An outcome so many seconds after the first."""
    more = {"delivery": f"d{seconds}", **more}
    return outcome(result, logged_at_ms=NOW_MS, ended_at_ms=NOW_MS + seconds * 1000, **more)


def ask_for_failed_deliveries(connection: Connection, id_: str = "other") -> None:
    put_webhook(connection, webhook(id=id_, name=id_))
    connection.execute("UPDATE webhooks SET events = '{delivery.*}' WHERE id = %s", (id_,))


def test_failing_is_told_once_a_row_of_failures_and_then_its_end(write: Write) -> None:
    assert write(after(0), after(9)) == []
    (failing,) = write(after(10), after(11))
    assert failing.type == "webhook.failing"
    assert (failing.subject, failing.source) == ("wh", "hookstream")
    assert json.loads(failing.data)["delivery"] == "d10"
    assert write(after(12), after(30)) == []
    (recovered,) = write(after(31, "succeeded"), after(32, "succeeded"))
    assert recovered.type == "webhook.recovered"
    assert recovered.created_at_ms == NOW_MS + 32_000
    assert json.loads(recovered.data)["failing_since"] == json.loads(failing.data)["failing_since"]
    assert write(after(33, "succeeded")) == []
    assert types(write(after(40), after(50))) == ["webhook.failing"], "another row of failures"


def test_a_success_that_ends_what_nobody_was_told_of_is_not_told(write: Write) -> None:
    assert write(after(0), after(5, "succeeded"), after(6), after(15)) == []
    assert types(write(after(16))) == ["webhook.failing"]


def test_a_delivery_that_ended_before_a_success_begins_no_row_of_failures(write: Write) -> None:
    assert write(after(0, "failed", reason="exhausted_elsewhere"), after(1, "succeeded")) == []
    assert write(after(11)) == []


def test_what_was_told_stays_told_over_an_edit_until_a_success(
    connection: Connection, write: Write
) -> None:
    assert types(write(after(0), after(10))) == ["webhook.failing"]
    put_webhook(connection, webhook(version=2))
    assert write(after(11, webhook_version=2), after(25, webhook_version=2)) == []
    assert types(write(after(26, "succeeded", webhook_version=2))) == ["webhook.recovered"]


def test_a_failed_delivery_is_told_where_another_webhook_asks(
    connection: Connection, write: Write
) -> None:
    assert write(after(0, "failed", reason="rejected")) == []
    ask_for_failed_deliveries(connection)
    (told,) = write(after(1, "failed", reason="rejected"), after(2, "retrying"))
    assert (told.type, told.subject) == ("delivery.failed", "wh")
    assert json.loads(told.data) == {
        "webhook": "wh", "name": "orders", "delivery": "d1", "event": "evt_1",
        "event_type": "order.paid", "subject": None, "reason": "rejected", "requests": 1,
        "status": 200, "error": None,
    }  # fmt: skip
    (again,) = write(after(1, "failed", reason="rejected"))
    assert again == told, "the same event, so the same deliveries"


def test_nobody_is_told_of_deliveries_that_only_the_failing_webhook_asks_about(
    connection: Connection, write: Write
) -> None:
    ask_for_failed_deliveries(connection, "wh")
    assert write(after(0, "failed", reason="rejected")) == []


def test_a_delivery_that_a_callback_has_closed_does_not_fail_afterwards(
    connection: Connection, write: Write
) -> None:
    ask_for_failed_deliveries(connection)
    closed = {"delivery": "d", "turn": None, "attempt": None, "attempt_number": None}
    assert write(after(0, "succeeded", **closed), after(1, "failed", delivery="d", turn=2)) == []
    expired = write(after(2, "failed", reason="expired", **closed | {"delivery": "e"}))
    assert types(expired) == ["delivery.failed"]


def test_the_failure_of_an_operational_event_raises_none_and_disables_all_the_same(
    connection: Connection, write: Write
) -> None:
    ask_for_failed_deliveries(connection)
    ours = {"event": "evt_op_1", "event_type": "webhook.failing"}
    assert write(after(0, **ours), after(20, "failed", reason="exhausted", **ours)) == []
    state = connection.execute("SELECT state FROM webhooks WHERE id = 'wh'").fetchone()
    assert state == ("disabled",)


def test_all_that_one_failure_means_is_told_in_order(connection: Connection, write: Write) -> None:
    ask_for_failed_deliveries(connection)
    raised = write(after(0), after(20, "failed", reason="exhausted"))
    assert types(raised) == ["webhook.failing", "webhook.disabled", "delivery.failed"]
    assert len({event.id for event in raised}) == 3


def test_trials_are_never_told_of(connection: Connection, write: Write) -> None:
    ask_for_failed_deliveries(connection)
    assert (
        write(*(after(20, "failed", kind=kind, reason="gone") for kind in ("test", "verify"))) == []
    )
