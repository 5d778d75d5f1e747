"""Replays: a time span sent once more, oldest first, each event once, on a real PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hookstream.model.ids import delivery_id
from hookstream.store import outbox, replays
from hookstream.store.pool import Connection
from hookstream.store.replays import Replay
from hookstream.store.views import Views
from services.status.settings import StatusSettings
from services.status.upkeep import Upkeep
from tests.status.samples import at, event, move, outcome, put_webhook, webhook

NOW_MS = int(datetime.now(UTC).timestamp() * 1000)
SPAN = {"from_ms": NOW_MS - 60_000, "till_ms": NOW_MS + 60_000, "at_ms": NOW_MS - 60_000}


@pytest.fixture
def upkeep(dsn: str) -> Upkeep:
    return Upkeep(dsn, StatusSettings(release_per_s=2))


@pytest.fixture(autouse=True)
def logged(views: Views) -> None:
    """Of five events the first has succeeded, one failed twice, one is a test, one was before."""
    told: list[dict[str, Any]] = [
        {"result": "succeeded", "delivery": "d0", "event": "e0"},
        {"result": "failed", "delivery": "d1", "event": "e1"},
        {"result": "failed", "delivery": "r1", "event": "e1", "kind": "resend"},
        {"result": "failed", "delivery": "d2", "event": "e2"},
        {"result": "failed", "delivery": "t", "event": "e3", "kind": "test"},
        {"result": "failed", "delivery": "b", "event": "e4", "logged_at_ms": NOW_MS - 90_000},
        {"result": "failed", "delivery": "d5", "event": "gone"},
        {"result": "cancelled", "delivery": "d6", "event": "e3", "reason": "released"},
    ]
    outcomes = [outcome(**{"logged_at_ms": NOW_MS + n} | each) for n, each in enumerate(told)]
    views.outcomes([at(each, n) for n, each in enumerate(outcomes)], move(0, len(told)))
    events = [at(event(id=f"e{n}"), n, at_ms=NOW_MS) for n in range(5)]
    views.events(events, move(0, 5, "events"))


def start(connection: Connection, **more: Any) -> None:
    given: dict[str, Any] = {"webhook": "wh", "workspace": "ws", "only_failed": True}
    with connection.cursor() as cursor:
        replays.put(cursor, Replay(id="rpl", **given | SPAN | more))


def sent(connection: Connection) -> list[str]:
    rows = [row.decoded() for row in outbox.oldest(connection, 100) if row.topic == "deliveries"]
    found: list[Any] = rows
    assert {(d.kind, d.turn, d.webhook_version, d.attempts) for d in found} <= {
        ("replay", 1, 3, ())
    }
    assert [d.id for d in found] == [delivery_id("rpl", d.event.id) for d in found]
    return [d.event.id for d in found]


def state(connection: Connection) -> tuple[str, int]:
    found = connection.execute("SELECT state, sent FROM replays").fetchone()
    assert found is not None
    return found[0], found[1]


def test_what_failed_is_sent_again_oldest_first_at_a_pace(
    connection: Connection, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook(version=3))
    start(connection)
    assert upkeep.replaying.round() == 2
    assert (sent(connection), state(connection)) == (["e1", "e2"], ("running", 2))
    upkeep.replaying.round()
    assert (sent(connection), state(connection)) == (["e1", "e2"], ("done", 2))
    assert upkeep.replaying.round() == 0


def test_whatever_has_ended_is_sent_again_where_that_is_asked_for(
    connection: Connection, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook(version=3))
    start(connection, only_failed=False)
    for _ in range(4):
        upkeep.replaying.round()
    assert (sent(connection), state(connection)) == (["e0", "e1", "e2"], ("done", 3))


def test_a_replay_waits_for_its_webhook_and_ends_with_it(
    connection: Connection, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook(version=3, state="paused"))
    start(connection)
    assert upkeep.replaying.round() == 0
    assert state(connection) == ("running", 0)
    put_webhook(connection, webhook(version=4, state="deleted"))
    assert upkeep.replaying.round() == 0
    assert state(connection) == ("cancelled", 0)
    assert sent(connection) == []
