"""What status does in the batch's transaction, and of its own accord, on a real PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hookstream.model.records import Event, Webhook
from hookstream.store import outbox
from hookstream.store.offsets import Fenced, Position
from hookstream.store.pool import Connection
from hookstream.store.views import Views
from services.status.outcomes_to_views import OutcomesToViews
from tests.status.samples import at, move, outcome, put_webhook, webhook

NOW_MS = int(datetime.now(UTC).timestamp() * 1000)
POSITIONS = {("outcomes", 0): Position(0)}


def told(connection: Connection, topic: str) -> list[Any]:
    return [row.decoded() for row in outbox.oldest(connection, 100) if row.topic == topic]


def test_the_fifth_failure_disables_tells_and_audits_once(
    connection: Connection, views: Views
) -> None:
    put_webhook(connection, webhook())
    write = OutcomesToViews(views)
    last = outcome("failed", reason="exhausted", logged_at_ms=NOW_MS)
    write([at(last, 0)], move(0, 1), POSITIONS)
    with pytest.raises(Fenced):
        write([at(last, 0)], move(0, 1), POSITIONS)
    write([at(last, 1)], move(1, 2), POSITIONS)
    (config,) = told(connection, "config")
    assert isinstance(config, Webhook)
    assert (config.state, config.version) == ("disabled", 2)
    (operational,) = told(connection, "events")
    assert isinstance(operational, Event)
    assert operational.type == "webhook.disabled"
    assert connection.execute("SELECT actor, action, subject FROM audit").fetchall() == [
        ("status", "disable", "wh")
    ]


def test_an_edit_meanwhile_is_not_disabled(connection: Connection, views: Views) -> None:
    put_webhook(connection, webhook(version=2))
    last = outcome("failed", reason="exhausted", logged_at_ms=NOW_MS)
    OutcomesToViews(views)([at(last, 0)], move(0, 1), POSITIONS)
    assert told(connection, "config") == []


def test_a_rebuild_fills_and_acts_on_nothing_that_has_been(
    connection: Connection, views: Views
) -> None:
    put_webhook(connection, webhook())
    last = outcome("failed", reason="gone", logged_at_ms=NOW_MS)
    filled = {("outcomes", 0): Position(0, fill_until=5)}
    OutcomesToViews(views)([at(last, 4)], move(0, 5), filled)
    assert told(connection, "config") == []
    assert connection.execute("SELECT state FROM deliveries").fetchall() == [("failed",)]
    OutcomesToViews(views)([at(last, 5)], move(5, 6), filled)
    assert len(told(connection, "config")) == 1


def test_only_a_success_ends_failing(connection: Connection, views: Views) -> None:
    put_webhook(connection, webhook())
    write = OutcomesToViews(views)
    write([at(outcome("retrying", ended_at_ms=NOW_MS), 0)], move(0, 1), POSITIONS)
    write([at(outcome("retrying", ended_at_ms=NOW_MS + 9), 1)], move(1, 2), POSITIONS)
    found = connection.execute("SELECT webhook, version, since_ms FROM failing").fetchall()
    assert found == [("wh", 1, NOW_MS)]
    write([at(outcome(ended_at_ms=NOW_MS + 10), 2)], move(2, 3), POSITIONS)
    assert connection.execute("SELECT * FROM failing").fetchall() == []
