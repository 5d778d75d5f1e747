"""`kill -9` of each service under load, three times each, with records in flight at each kill.

All are killed in one run, some alone and some together; what each test says is then asked of the
record: the receiver's requests, the outcomes on the topic, the rows in Postgres.
"""

from collections import Counter
from collections.abc import Iterator
from time import time_ns

import pytest

from hookstream.model.records import Outcome
from tests.fixtures.kafka import Seen, wait_until
from tests.system.load import Load
from tests.system.receiving import FLAKY, GOOD, PATHS, Key, Request
from tests.system.running import DELAYS_MS, GOES_ON_S, Kill, Running, running

pytestmark = pytest.mark.alone

ALL = ("status", "retry", "router", "deliverer")
ROUNDS = (("retry", "router"), ("status", "deliverer"), ALL, ALL)
BURST = 150
SLACK = 2
"""Times `GOES_ON_S`; the default session timeout of 45 s is still twice as long."""
JUST_ANSWERED_NS = 5_000_000_000
"""An answer so shortly before a kill may not have become an outcome: a busy machine takes a while.
A turn that has its outcome is never taken again, however short the time: outcomes say so."""
END_S = 60


class Run:
    """What one run with all its kills has left behind."""

    def __init__(self, system: Running, load: Load) -> None:
        self.system, self.load = system, load
        self.kills: list[Kill] = []
        self.went_on_s: list[tuple[str, float]] = []
        """(service, from the round's last kill till it had done something new)."""
        self.outcomes: list[tuple[Seen, Outcome]] = []
        self.requests: list[Request] = []

    def round(self, *services: str) -> None:
        """Kill these, one right after the other, and wait till all of them work again."""
        self.load.by_http(BURST)
        killed = [self.system.kill(service) for service in services]
        self.kills += killed
        left = {kill.service: kill for kill in killed}
        all_dead_ns = max(kill.at_ns for kill in killed)  # one may need another to do something

        def all_work() -> bool:
            for kill in list(left.values()):
                if (at_ns := self.first_work_ns(kill)) is not None:
                    self.went_on_s.append((kill.service, (at_ns - all_dead_ns) / 1e9))
                    del left[kill.service]
            return not left

        wait_until(all_work, SLACK * GOES_ON_S)

    def first_work_ns(self, kill: Kill) -> int | None:
        """When the service first did something with an event sent after its kill."""
        new = self.load.sent_since(kill.at_ns)
        if kill.service == "status":
            query = "SELECT 1 FROM deliveries WHERE event = ANY(%s) LIMIT 1"
            return time_ns() if self.system.rows(query, list(new)) else None
        path, least = (FLAKY, 2) if kill.service == "retry" else (GOOD, 1)
        seen: Counter[str] = Counter()
        for request in self.system.receiver.since(kill.at_ns, path):
            seen[request.key[1]] += 1
            if request.key[1] in new and seen[request.key[1]] >= least:
                return request.at_ns
        return None

    def finish(self) -> None:
        """No more events; wait for the end of all that was sent, and keep the record."""
        self.load.settle()
        events = len(self.load.accepted)
        wait_until(lambda: self.system.all_succeeded(events), END_S)
        wait_until(lambda: self.system.logged() == events, END_S)
        self.outcomes = self.system.outcomes()
        self.requests = list(self.system.receiver.requests)

    def unlogged(self) -> Counter[Key]:
        """How many requests more than attempts in Postgres, by delivery; those with none left out.

        `test_the_counts_in_postgres_are_exact` says that attempts are the outcomes with a request.
        """
        found = Counter(request.key for request in self.requests)
        found.subtract(self.key(outcome) for _, outcome in self.outcomes if outcome.attempt)
        return Counter({key: n for key, n in found.items() if n})

    def open_at_kills(self) -> Counter[Key]:
        """How many requests of each delivery a killed deliverer had in flight, at most."""
        deaths = [kill for kill in self.kills if kill.service == "deliverer"]
        return Counter(
            request.key
            for kill in deaths
            for request in self.requests
            if request.was_in_flight(kill.frozen_ns - JUST_ANSWERED_NS, kill.at_ns)
        )

    def key(self, outcome: Outcome) -> Key:
        """The delivery of an outcome, as the receiver knows it."""
        return self.system.path_of(outcome.webhook), outcome.event


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with running() as system:
        load = system.load()
        found = Run(system, load)
        with load.running():
            wait_until(lambda: system.receiver.taken(FLAKY))
            for services in ROUNDS:
                found.round(*services)
        found.finish()
        yield found


def test_each_service_was_killed_three_times_with_records_in_flight(run: Run) -> None:
    killed = Counter(kill.service for kill in run.kills)
    assert killed == {"router": 3, "retry": 3, "deliverer": 3, "status": 3}
    assert all(kill.in_flight > 0 for kill in run.kills), run.kills


def test_work_goes_on_within_seconds_of_a_kill(run: Run) -> None:
    late = [(service, s) for service, s in run.went_on_s if s > SLACK * GOES_ON_S]
    assert len(run.went_on_s) == len(run.kills)
    assert late == [], run.went_on_s


def test_accepted_is_never_lost(run: Run) -> None:
    """Every event that was acknowledged has ended in Postgres, for every webhook."""
    assert run.load.all_accepted
    for path in PATHS:
        assert run.system.receiver.taken(path) == run.load.accepted
    ended = run.system.rows("SELECT event, webhook FROM deliveries WHERE state = 'succeeded'")
    wanted = {(e, w) for e in run.load.accepted for w in run.system.webhooks.values()}
    assert set(ended) == wanted


def test_the_counts_in_postgres_are_exact(run: Run) -> None:
    events = len(run.load.accepted)
    assert run.system.states() == {(w, "succeeded"): events for w in run.system.webhooks.values()}
    assert run.system.rows("SELECT count(*) FROM events WHERE NOT conflict") == [(events,)]
    repeated = run.system.rows("SELECT id FROM events WHERE repeats > 0")
    assert {id_ for (id_,) in repeated} <= run.load.unknown, "those alone were sent twice"
    with_request = sum(1 for _, outcome in run.outcomes if outcome.attempt)
    assert run.system.rows("SELECT count(*) FROM attempts") == [(with_request,)]
    assert run.system.rows("SELECT count(*) FROM dead") == [(0,)]
    wrong = run.system.rows(
        "SELECT id FROM deliveries AS d WHERE attempts <>"
        " (SELECT count(*) FROM attempts AS a WHERE a.delivery = d.id AND a.day = d.day)"
    )
    assert wrong == []


def test_a_turn_is_settled_once(run: Run) -> None:
    """Requests without an outcome are those that were open at a kill of the deliverer, no more."""
    turns = Counter((o.delivery, o.turn) for _, o in run.outcomes if o.result != "superseded")
    assert [turn for turn, count in turns.items() if count > 1] == []
    unlogged = run.unlogged()
    assert {key: n for key, n in unlogged.items() if n < 0} == {}
    open_at_kills = run.open_at_kills()
    assert unlogged <= open_at_kills, unlogged - open_at_kills
    assert unlogged, "nothing was repeated: were requests open at the kills?"


def test_never_early_no_schedule_bent(run: Run) -> None:
    """No request between the end of a turn and the time that its outcome named for the next."""
    arrived: dict[Key, list[int]] = {}
    for request in run.requests:
        arrived.setdefault(request.key, []).append(request.at_ns)
    waits = [(o, o.next_due_at_ms) for _, o in run.outcomes if o.next_due_at_ms is not None]
    early = {
        (run.key(outcome), outcome.turn): (at_ns / 1e6 - due_ms)
        for outcome, due_ms in waits
        for at_ns in arrived[run.key(outcome)]
        if outcome.ended_at_ms + 1 < at_ns / 1e6 < due_ms
    }
    assert early == {}
    retrying = [(o, due) for o, due in waits if o.result == "retrying" and o.attempt]
    assert len(retrying) >= len(run.load.accepted)
    for outcome, due_ms in retrying:
        assert outcome.attempt
        assert outcome.attempt_number
        ended_ms = outcome.attempt.started_at_ms + outcome.attempt.duration_ms
        assert due_ms - ended_ms >= DELAYS_MS[outcome.attempt_number - 1] - 1
