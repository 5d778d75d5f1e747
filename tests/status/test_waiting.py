"""What waits for a webhook: released at a pace, given up, bounded (W12), on a real PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hookstream.model.ids import released_id
from hookstream.model.records import Attempt, Delivery, Kind, Outcome, Result
from hookstream.store import outbox, parked
from hookstream.store.pool import Connection
from hookstream.store.session import Session
from hookstream.store.views import Views
from services.status.pace import Pace
from services.status.settings import StatusSettings
from services.status.upkeep import Upkeep, today
from tests.fixtures.kafka import wait_until
from tests.status.samples import at, event, move, outcome, put_webhook, webhook

DAY_MS = 86_400_000
NOW_MS = int(datetime.now(UTC).timestamp() * 1000)


@pytest.fixture
def upkeep(dsn: str) -> Upkeep:
    return Upkeep(dsn, StatusSettings(release_per_s=2, parked_most=3))


class Log:
    """Writes outcomes and events one after the other, as status reads them."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._outcomes, self._events = 0, 0

    def outcomes(self, *told: Outcome) -> None:
        start, self._outcomes = self._outcomes, self._outcomes + len(told)
        logged = [at(each, start + n, at_ms=NOW_MS + start + n) for n, each in enumerate(told)]
        self._views.outcomes(logged, move(start, self._outcomes))

    def events(self, *ids: str, at_ms: int = NOW_MS) -> None:
        start, self._events = self._events, self._events + len(ids)
        logged = [at(event(id=id_), start + n, at_ms=at_ms) for n, id_ in enumerate(ids)]
        self._views.events(logged, move(start, self._events, "events"))

    def park(self, count: int, *, days_ago: int = 0, kind: Kind = "event", since: int = 0) -> None:
        """Deliveries d0, d1 … of the events e0, e1 …, parked in that order."""
        then_ms = NOW_MS - days_ago * DAY_MS
        numbers = range(since, since + count)
        self.outcomes(*(parking(n, then_ms + n, kind=kind) for n in numbers))
        self.events(*(f"e{n}" for n in numbers), at_ms=then_ms)


def parking(number: int, at_ms: int, **more: Any) -> Outcome:
    given = {"delivery": f"d{number}", "event": f"e{number}", "logged_at_ms": at_ms}
    none = {"attempt": None, "attempt_number": None, "response": None}
    return outcome("parked", ended_at_ms=at_ms, **given | none | more)


@pytest.fixture
def log(views: Views) -> Log:
    return Log(views)


def told(connection: Connection, topic: str) -> list[Any]:
    return [row.decoded() for row in outbox.oldest(connection, 1000) if row.topic == topic]


def ends(connection: Connection) -> list[tuple[str, str, str | None]]:
    return [(o.delivery, o.result, o.reason) for o in told(connection, "outcomes")]


def waiting(connection: Connection) -> list[str]:
    found = connection.execute("SELECT delivery FROM parked ORDER BY logged_at_ms").fetchall()
    return [delivery for (delivery,) in found]


def states(connection: Connection) -> dict[str, tuple[str, str | None]]:
    found = connection.execute("SELECT id, state, reason FROM deliveries").fetchall()
    return {id_: (state, reason) for id_, state, reason in found}


def discard(connection: Connection, till_ms: int) -> None:
    with connection.cursor() as cursor:
        parked.discard(cursor, "wh", till_ms)


def test_what_is_parked_waits_while_its_webhook_is_paused(
    connection: Connection, log: Log, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook(state="paused"))
    log.park(3)
    assert upkeep.waiting.round() == 0
    assert waiting(connection) == ["d0", "d1", "d2"]


def test_release_is_oldest_first_at_a_pace_and_ends_the_parked(
    connection: Connection, log: Log, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook(version=7))
    log.park(3)
    assert upkeep.waiting.round() == 2
    assert waiting(connection) == ["d2"]
    deliveries = told(connection, "deliveries")
    assert [type(d) for d in deliveries] == [Delivery, Delivery]
    assert [(d.id, d.kind, d.turn, d.webhook_version, d.event.data) for d in deliveries] == [
        (released_id(f"d{n}"), "release", 1, 7, b'{"n": 1.10}') for n in (0, 1)
    ]
    released = told(connection, "outcomes")
    assert [(o.delivery, o.turn, o.result, o.reason) for o in released] == [
        ("d0", None, "cancelled", "released"),
        ("d1", None, "cancelled", "released"),
    ]
    log.outcomes(released[0])
    assert states(connection)["d0"] == ("cancelled", "released")


def test_what_is_parked_while_the_release_runs_is_released_too(
    connection: Connection, log: Log, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook())
    log.park(3)
    upkeep.waiting.round()
    log.park(1, since=3)
    assert upkeep.waiting.round() == 2
    assert [d.event.id for d in told(connection, "deliveries")] == ["e0", "e1", "e2", "e3"]


def test_a_released_delivery_goes_on_after_the_attempts_it_had(
    connection: Connection, log: Log, upkeep: Upkeep
) -> None:
    """Waiting costs no attempt and wins none, also where it waits twice."""
    put_webhook(connection, webhook())
    tried = Attempt(started_at_ms=NOW_MS - 9_000, duration_ms=5, status=500)
    first = outcome(
        "retrying", delivery="d0", event="e0", logged_at_ms=NOW_MS, attempt=tried, turn=1
    )
    log.outcomes(first, parking(0, NOW_MS - 4_000, turn=2, logged_at_ms=NOW_MS))
    log.events("e0")
    assert upkeep.waiting.round() == 1
    (released,) = told(connection, "deliveries")
    (before,) = released.attempts
    assert (before.duration_ms, before.status) == (5, 500)
    assert before.started_at_ms - tried.started_at_ms >= 4_000  # a window stood still meanwhile

    log.outcomes(*told(connection, "outcomes"))
    more = {"delivery": released.id, "event": "e0", "kind": "release", "logged_at_ms": NOW_MS + 9}
    second = Attempt(started_at_ms=NOW_MS + 50, duration_ms=6, error="timeout_answer")
    log.outcomes(
        outcome("retrying", turn=1, attempt=second, attempt_number=2, **more),
        parking(0, NOW_MS + 90, turn=2, **more),
    )
    assert upkeep.waiting.round() == 1
    again = told(connection, "deliveries")[-1]
    assert again.id == released_id(released.id)
    assert [(a.duration_ms, a.status or a.error) for a in again.attempts] == [
        (5, 500),
        (6, "timeout_answer"),
    ]


def test_a_receiver_that_is_behind_gets_one_a_second(
    connection: Connection, log: Log, upkeep: Upkeep
) -> None:
    """So live events, which share its lane, are not held back."""
    put_webhook(connection, webhook())
    log.park(3)
    log.outcomes(outcome("deferred", delivery="live", logged_at_ms=NOW_MS, attempt=None))
    assert [upkeep.waiting.round() for _ in range(2)] == [1, 1]


@pytest.mark.parametrize(
    ("rates", "rounds"),
    [
        ([None], [[50], [50]]),
        ([10.0], [[5], [5]]),
        ([10.0, 10.0], [[2, 2], [3, 3]]),
        ([0.5], [[0], [0], [0], [1], [0]]),
    ],
)
def test_the_pace_leaves_half_of_a_lanes_rate_to_live_events(
    rates: list[float | None], rounds: list[list[int]]
) -> None:
    pace = Pace(50)
    webhooks = [webhook(id=f"w{n}", lane="i", rate_per_s=rate) for n, rate in enumerate(rates)]
    for wanted in rounds:
        given = pace.round(webhooks)
        assert [pace.whole(w, given[w.id], False, 1.0) for w in webhooks] == wanted


def test_the_pace_is_kept_in_parts_of_a_second_and_bursts_keep_their_order() -> None:
    pace, narrow = Pace(50), webhook(id="narrow", max_in_flight=1)
    wide = webhook(id="wide")
    assert [pace.whole(wide, 12.5, False, 0.2) for _ in range(4)] == [2, 3, 2, 3]
    assert pace.whole(wide, 50, True, 0.2) == 0
    assert pace.whole(narrow, 50, False, 1.0) == 4


def test_what_has_no_event_row_yet_waits_for_it(
    connection: Connection, log: Log, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook())
    log.outcomes(parking(0, NOW_MS))
    assert upkeep.waiting.round() == 0
    log.events("e0")
    assert upkeep.waiting.round() == 1


def test_a_deleted_webhooks_parked_deliveries_end_page_by_page(
    connection: Connection, log: Log, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.status.waiting._PAGE", 2)
    monkeypatch.setattr("services.status.waiting._ROUND", 4)
    put_webhook(connection, webhook(state="deleted"))
    log.park(5, kind="resend")
    upkeep.waiting.round()
    assert waiting(connection) == ["d4"]
    upkeep.waiting.round()
    assert waiting(connection) == []
    assert ends(connection) == [(f"d{n}", "cancelled", "webhook_deleted") for n in range(5)]
    assert {o.kind for o in told(connection, "outcomes")} == {"resend"}


@pytest.mark.parametrize("state", ["active", "paused", "disabled"])
def test_what_was_parked_till_then_is_discarded_what_comes_later_is_not(
    connection: Connection, log: Log, upkeep: Upkeep, state: str
) -> None:
    put_webhook(connection, webhook(state=state))
    log.park(2)
    discard(connection, NOW_MS + 1)
    log.park(1, since=2)
    upkeep.waiting.round()
    log.outcomes(parking(9, NOW_MS - 1))  # read late, parked before
    upkeep.waiting.round()
    discarded = [each for each in ends(connection) if each[2] == "discarded"]
    assert discarded == [(f"d{n}", "cancelled", "discarded") for n in (0, 1, 9)]
    sent = [d.event.id for d in told(connection, "deliveries")]
    assert (sent, waiting(connection)) == ((["e2"], []) if state == "active" else ([], ["d2"]))


def test_what_waits_too_long_ends_as_expired(
    connection: Connection, log: Log, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook(state="paused"))
    log.park(2, days_ago=8)
    log.park(1, days_ago=6, since=2)
    upkeep.waiting.expire()
    assert ends(connection) == [("d0", "failed", "expired"), ("d1", "failed", "expired")]
    log.outcomes(*told(connection, "outcomes"))
    assert states(connection)["d0"] == ("failed", "expired")
    assert states(connection)["d2"][0] == "parked"


def test_of_more_than_may_wait_the_oldest_end_as_overflow(
    connection: Connection, log: Log, upkeep: Upkeep
) -> None:
    put_webhook(connection, webhook(state="disabled"))
    put_webhook(connection, webhook(id="other", name="other", state="paused"))
    log.park(3)
    log.outcomes(parking(8, NOW_MS, webhook="other", lane="other"))
    upkeep.waiting.overflow()
    assert ends(connection) == []
    log.park(2, since=3)
    upkeep.waiting.overflow()
    assert ends(connection) == [("d0", "failed", "overflow"), ("d1", "failed", "overflow")]
    assert set(waiting(connection)) == {"d2", "d3", "d4", "d8"}


def test_a_day_that_is_dropped_first_ends_what_waits_for_its_events(
    dsn: str, connection: Connection, log: Log
) -> None:
    put_webhook(connection, webhook(state="paused"))
    log.park(2, days_ago=8)
    before = today()
    Upkeep(dsn, StatusSettings(kept_days=5, parked_kept_days=100)).days()
    assert waiting(connection) == []
    assert [reason for _, _, reason in ends(connection)] == ["expired", "expired"]
    found = connection.execute(
        "SELECT relid::text FROM pg_partition_tree('events') WHERE isleaf ORDER BY 1"
    ).fetchall()
    days = [[day + timedelta(n) for n in range(3)] for day in (before, today())]  # at midnight
    assert found in [[(f"events_{day:%Y%m%d}",) for day in three] for three in days]


@pytest.mark.parametrize("first", ["cancelled", "succeeded"])
def test_a_success_beats_a_cancellation_in_whichever_order_they_are_read(
    connection: Connection, log: Log, first: str
) -> None:
    """The request was under way when the delivery was cancelled: the receiver has it."""
    more = {"delivery": "d1", "logged_at_ms": NOW_MS}
    cancelled = outcome("cancelled", turn=None, reason="by_hand", attempt=None, **more)
    succeeded = outcome("succeeded", turn=2, **more)
    log.outcomes(outcome("retrying", **more))
    for each in (cancelled, succeeded) if first == "cancelled" else (succeeded, cancelled):
        log.outcomes(each)
    assert states(connection)["d1"] == ("succeeded", None)


@pytest.mark.parametrize("later", ["failed", "retrying", "parked", "cancelled"])
def test_a_cancelled_delivery_stays_cancelled_whatever_its_last_turn_says(
    connection: Connection, log: Log, later: Result
) -> None:
    more = {"delivery": "d1", "logged_at_ms": NOW_MS}
    log.outcomes(outcome("retrying", **more))
    log.outcomes(outcome("cancelled", turn=None, reason="by_hand", attempt=None, **more))
    log.outcomes(outcome(later, turn=2, reason="x", **more))
    assert states(connection)["d1"] == ("cancelled", "by_hand")
    assert waiting(connection) == []


def test_one_of_two_processes_does_the_upkeep_and_the_other_takes_over(dsn: str) -> None:
    one, two = Session(dsn), Session(dsn)
    assert one.claim(77)
    assert one.claim(77)
    assert not two.claim(77)
    one.close()
    wait_until(lambda: two.claim(77), 30)
