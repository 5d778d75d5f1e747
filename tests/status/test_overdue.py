"""What waits for a callback in vain is closed once, as expired (P7), on a real PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hookstream.model.records import Outcome
from hookstream.store import outbox
from hookstream.store.pool import Connection
from hookstream.store.session import Session
from hookstream.store.views import Views
from services.status.overdue import Overdues
from tests.status.samples import at, move, outcome, put_webhook, webhook

NOW_MS = int(datetime.now(UTC).timestamp() * 1000)


def waiting(delivery: str, until_ms: int, **more: Any) -> Outcome:
    times = {"logged_at_ms": NOW_MS, "ended_at_ms": NOW_MS}
    return outcome("waiting", delivery=delivery, waits_until_ms=until_ms, **times, **more)


def closings(connection: Connection) -> list[Outcome]:
    rows = (row.decoded() for row in outbox.oldest(connection, 5000))
    return [record for record in rows if isinstance(record, Outcome)]


@pytest.fixture
def overdues(dsn: str, connection: Connection) -> Overdues:
    with connection.cursor() as cursor:
        put_webhook(cursor, webhook())
    return Overdues(Session(dsn), lambda: NOW_MS)


def test_p7_an_overdue_wait_is_closed_once_and_others_are_left(
    connection: Connection, views: Views, overdues: Overdues
) -> None:
    called_back = outcome("succeeded", delivery="d3", turn=None, attempt=None, attempt_number=None,
                          logged_at_ms=NOW_MS)  # fmt: skip
    waits = [waiting("d1", NOW_MS - 1), waiting("d2", NOW_MS + 1), waiting("d3", NOW_MS - 1)]
    told = [at(each, n, at_ms=NOW_MS) for n, each in enumerate([*waits, called_back])]
    views.outcomes(told, move(0, 4))
    assert overdues.round() == 1
    assert overdues.round() == 0
    (closing,) = closings(connection)
    assert (closing.delivery, closing.turn, closing.result) == ("d1", None, "failed")
    assert (closing.reason, closing.lane, closing.logged_at_ms) == ("expired", "wh", NOW_MS)
    views.outcomes([at(closing, 4, at_ms=NOW_MS)], move(4, 5))
    states = connection.execute("SELECT id, state, reason FROM deliveries ORDER BY id").fetchall()
    assert states == [
        ("d1", "failed", "expired"),
        ("d2", "waiting", None),
        ("d3", "succeeded", None),
    ]


def test_many_are_closed_page_by_page(
    connection: Connection, views: Views, overdues: Overdues
) -> None:
    told = [at(waiting(f"d{n}", NOW_MS - n), n, at_ms=NOW_MS) for n in range(1_200)]
    views.outcomes(told, move(0, 1_200))
    assert overdues.round() == 1_200
    assert {closing.delivery for closing in closings(connection)} == {f"d{n}" for n in range(1_200)}


def test_they_are_found_by_an_index(connection: Connection, views: Views) -> None:
    told = [at(waiting(f"d{n}", NOW_MS + n), n, at_ms=NOW_MS) for n in range(3_000)]
    views.outcomes(told, move(0, 3_000))
    connection.execute("ANALYZE deliveries")
    plan = connection.execute(
        "EXPLAIN SELECT id, day FROM deliveries WHERE state = 'waiting'"
        " AND waits_until_ms IS NOT NULL AND waits_until_ms <= %s"
        " ORDER BY waits_until_ms LIMIT 500 FOR UPDATE SKIP LOCKED", (NOW_MS + 9,)
    ).fetchall()  # fmt: skip
    assert not any("Seq Scan" in line for (line,) in plan), plan
