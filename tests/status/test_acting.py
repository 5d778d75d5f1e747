"""What status does in the batch's transaction, and of its own accord, on a real PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from hookstream.model.ids import released_id
from hookstream.model.records import Delivery, Event, Outcome, Webhook
from hookstream.store import offsets, outbox
from hookstream.store.offsets import Fenced, Position
from hookstream.store.pool import Connection
from hookstream.store.session import Session
from hookstream.store.views import Views
from services.status.outcomes_to_views import OutcomesToViews
from services.status.settings import StatusSettings
from services.status.upkeep import Upkeep, today
from tests.status.samples import at, event, move, outcome, put_webhook, webhook

DAY_MS = 86_400_000
NOW_MS = int(datetime.now(UTC).timestamp() * 1000)
POSITIONS = {("outcomes", 0): Position(0)}


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        offsets.begin(connection, {("outcomes", 0): 0, ("events", 0): 0})
        yield connection


@pytest.fixture
def views(dsn: str, connection: Connection) -> Views:
    return Views(Session(dsn), 30, today)


@pytest.fixture
def upkeep(dsn: str) -> Upkeep:
    return Upkeep(dsn, StatusSettings(release_per_s=2))


def told(connection: Connection, topic: str) -> list[Any]:
    return [row.decoded() for row in outbox.oldest(connection, 100) if row.topic == topic]


def park(views: Views, count: int, *, days_ago: int = 0, kind: str = "event") -> None:
    then_ms = NOW_MS - days_ago * DAY_MS
    outcomes = [
        at(outcome("parked", delivery=f"d{n}", event=f"e{n}", logged_at_ms=then_ms + n, kind=kind,
                   attempt=None, attempt_number=None), n)
        for n in range(count)
    ]  # fmt: skip
    views.outcomes(outcomes, move(0, count))
    events = [at(event(id=f"e{n}"), n, at_ms=then_ms + n) for n in range(count)]
    views.events(events, move(0, count, "events"))


def waiting(connection: Connection) -> list[str]:
    found = connection.execute("SELECT delivery FROM parked ORDER BY logged_at_ms").fetchall()
    return [delivery for (delivery,) in found]


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


def test_what_is_parked_waits_while_its_webhook_is_paused(
    connection: Connection, views: Views, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook(state="paused"))
    park(views, 3)
    assert upkeep.release() == 0
    assert waiting(connection) == ["d0", "d1", "d2"]


def test_release_is_oldest_first_at_a_pace_and_ends_the_parked(
    connection: Connection, views: Views, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook(version=7))
    park(views, 3)
    assert upkeep.release() == 2
    assert waiting(connection) == ["d2"]
    deliveries = told(connection, "deliveries")
    assert [type(d) for d in deliveries] == [Delivery, Delivery]
    assert [(d.id, d.kind, d.turn, d.webhook_version, d.event.data) for d in deliveries] == [
        (released_id(f"d{n}"), "release", 1, 7, b'{"n": 1.10}') for n in (0, 1)
    ]
    ends = told(connection, "outcomes")
    assert [(o.delivery, o.turn, o.result, o.reason) for o in ends] == [
        ("d0", None, "cancelled", "released"),
        ("d1", None, "cancelled", "released"),
    ]
    views.outcomes([at(ends[0], 3)], move(3, 4))
    found = connection.execute("SELECT state, reason FROM deliveries WHERE id = 'd0'").fetchall()
    assert found == [("cancelled", "released")]


def test_what_has_no_event_row_yet_waits_for_it(
    connection: Connection, views: Views, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook())
    parked = outcome("parked", logged_at_ms=NOW_MS)
    views.outcomes([at(parked, 0)], move(0, 1))
    assert upkeep.release() == 0
    views.events([at(event(), 0, at_ms=NOW_MS)], move(0, 1, "events"))
    assert upkeep.release() == 1


def test_deleting_a_webhook_ends_what_waits_for_it(
    connection: Connection, views: Views, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook(state="deleted"))
    park(views, 3, kind="resend")
    upkeep.end_deleted()
    assert waiting(connection) == []
    ends: list[Outcome] = told(connection, "outcomes")
    assert [(o.delivery, o.kind, o.reason) for o in ends] == [
        (f"d{n}", "resend", "deleted") for n in range(3)
    ]


def test_what_waits_too_long_ends_as_expired(
    connection: Connection, views: Views, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook(state="paused"))
    park(views, 2, days_ago=8)
    upkeep.expire()
    assert [(o.result, o.reason) for o in told(connection, "outcomes")] == [
        ("failed", "expired"),
        ("failed", "expired"),
    ]


def test_a_day_that_is_dropped_first_ends_what_waits_for_its_events(
    dsn: str, connection: Connection, views: Views
) -> None:
    put_webhook(connection, webhook(state="paused"))
    park(views, 2, days_ago=8)
    Upkeep(dsn, StatusSettings(kept_days=5, parked_kept_days=100)).days()
    assert waiting(connection) == []
    assert [o.reason for o in told(connection, "outcomes")] == ["expired", "expired"]
    found = connection.execute(
        "SELECT relid::text FROM pg_partition_tree('events') WHERE isleaf ORDER BY 1"
    ).fetchall()
    days = [today() + timedelta(n) for n in range(3)]
    assert found == [(f"events_{day:%Y%m%d}",) for day in days]
