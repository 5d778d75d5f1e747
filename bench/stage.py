"""One system that is measured, and how one measurement goes."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import psycopg

from bench.counts import WrongCount, all_seen, check, seconds_of
from bench.cpu import Spent, between, resident_mb, spent
from bench.ground import Ground
from bench.payloads import LANES, Times
from bench.topics import Ends
from bench.watch import Sample, Stretch, stretch, watched
from hookstream.model.records import Webhook
from hookstream.store.settings import PostgresSettings
from hookstream.stream.table import Table
from hookstream.stream.topics import EVENTS, OUTCOMES
from services.cli.api import Api
from services.cli.entrance import Entrance, open_entrance
from services.cli.ports import free
from services.cli.service import Service
from services.cli.settings import SERVICES
from services.cli.system import STOP_S, System

PARTITIONS = 4
"""As `make up` has: the broker spends by requests, and each is of one partition."""
_LEAST_S = 90.0
_SLOWEST_PER_S = 200
_LOOK_S = 0.1
_LOG_LOOK_S = 0.25
_QUIET_S = 1.5
_QUIET_WITHIN_S = 60.0


class Measured(NamedTuple):
    """One run: how long the arrivals took, and what every process spent."""

    seconds: float
    cpu: Spent
    delays_ms: list[float]


class Stage:
    """A system on the ground's Kafka and PostgreSQL, with topics and a database of its own.

    As a context manager it is started and, whatever comes, stopped. code: another checkout, whose
    services run instead of ours. settings: of its services, by their full names.
    """

    def __init__(
        self,
        ground: Ground,
        name: str = "bench",
        code: Path | None = None,
        settings: Mapping[str, str] = {},
        partitions: int = PARTITIONS,
    ) -> None:
        self.ground = ground
        self.name = name
        self.receiver = ground.receiver
        environ = ground.environ(name) | dict(settings)
        if code:
            environ["PYTHONPATH"] = f"{code}/libs:{code}"
        self.system = System(
            ground.folder / name,
            free(),
            environ=environ,
            partitions=partitions,
            restart=False,
            tell=lambda _: None,
        )
        self.entrance: Entrance
        self._undo = ExitStack()
        self._more: list[Service] = []

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(self.system)
            self.entrance = open_entrance(self.system, "bench")
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def only(self, *services: str) -> dict[str, float]:
        """Have these services run, and no others. How long each that was started took."""
        took = {}
        for name, service in self.system.services.items():
            if name not in services and service.pids():
                self.system.stop_service(name)
        for name, service in self.system.services.items():
            if name in services and not service.pids():
                start = time.perf_counter()
                self.system.start_service(name)
                took[name] = time.perf_counter() - start
        return took

    def pids(self) -> dict[str, list[int]]:
        """All measured processes: services, `kafka` and `postgres`."""
        pids = self.system.pids() | self.ground.pids()
        for service in self._more:
            pids[service.name] = [*pids[service.name], *service.pids()]
        return pids

    @contextmanager
    def processes(self, name: str, count: int) -> Iterator[None]:
        """So many processes of a service run; those beyond the first end with the block."""
        self.only(*(n for n, s in self.system.services.items() if s.pids()), name)
        more = [self.system.another(name, number) for number in range(2, count + 1)]
        try:
            for service in more:
                service.spawn()
                self._more.append(service)
            for service in more:
                service.wait_until_ready()
            yield
        finally:
            self._more.clear()
            for service in more:
                service.stop(STOP_S)

    def sample(self, done: int) -> Sample:
        """What was spent and is held now, `done` being done."""
        pids = self.pids()
        return Sample(time.perf_counter(), done, spent(pids), resident_mb(pids))

    def watch(self, done: Callable[[], int], total: int) -> list[Sample]:
        """Looks until all is done, the first one now."""
        return watched(lambda: self.sample(done()), total, bound_s(total))

    def measure(
        self,
        send: Callable[[], Any],
        times: Times,
        fan_out: int = 1,
        *,
        logged: bool = True,
    ) -> Measured:
        """Send, wait until all is received (and logged); WrongCount if it is not what was sent."""
        self.receiver.clear()
        before = spent(self.pids())
        send()
        self.await_arrivals(len(times) * fan_out)
        if logged:
            self.await_log()
        used = between(before, spent(self.pids()))
        record = self.receiver.record()
        check(record, times, fan_out)
        seen = all_seen(record)
        delays = [(s.at_ns - times[s.id]) / 1e6 for s in seen]
        return Measured(seconds_of(seen), used, sorted(delays))

    def start_deliverer(self) -> None:
        """And retry, which is ready before: what is looked at begins with the deliverer."""
        self.only("retry")
        self.only("retry", "deliverer")

    def measure_delivering(self, times: Times) -> Stretch:
        """All is sent: have the deliverer run, and see what it does from when it is ready."""
        self.receiver.clear()
        self.start_deliverer()
        samples = self.watch(self.receiver.total, len(times))
        record = self.receiver.record()
        check(record, times, 1)
        return stretch(samples)

    def spent_by(self, work: Callable[[], Any]) -> Measured:
        """Time and CPU of some work at whose end nothing is received."""
        before, start = spent(self.pids()), time.perf_counter()
        work()
        seconds = time.perf_counter() - start
        return Measured(seconds, between(before, spent(self.pids())), [])

    def subscribe(self) -> list[Webhook]:
        """A webhook for each lane by the API, each with one type of kind `bench` for itself."""
        with Api(self.system.ports.console_url, self.entrance.key) as api:
            for number in range(LANES):
                body = {
                    "url": f"{self.receiver.url}/{number}",
                    "name": f"w{number}",
                    "events": [f"bench.{number}"],
                }
                api.post("/v1/webhooks", body, fine=(201,))
        table = Table(self.system.kafka, "hookstream-bench-config")
        table.catch_up()
        found = sorted(table.config.webhooks.values(), key=lambda w: int(w.name[1:]))
        table.close()
        return found

    def await_arrivals(self, total: int, path: str = "/") -> None:
        """Until so many requests have come for paths that begin so."""
        deadline = time.monotonic() + bound_s(total)
        while (got := self.receiver.total(path)) < total:
            if time.monotonic() > deadline:
                raise WrongCount(f"{got} of {total} received within {bound_s(total):.0f} s")
            time.sleep(_LOOK_S)

    def all_caught_up(self) -> None:
        """All services run, and what rows before have sent to some of them alone is done."""
        self.only(*SERVICES)
        self.await_log(EVENTS)
        self.await_log()

    def await_log(self, topic: str = OUTCOMES) -> None:
        """Until the log holds every outcome that is on the topic, or every record of another."""
        ends = Ends(self.system.kafka, topic)
        deadline = time.monotonic() + bound_s(ends.total())
        try:
            while self.logged(topic) < ends.total():
                if time.monotonic() > deadline:
                    raise WrongCount("the log was not complete in time")
                time.sleep(_LOG_LOOK_S)
        finally:
            ends.close()

    def await_quiet(self) -> None:
        """Until no outcome comes for a moment; at most a minute."""
        ends = Ends(self.system.kafka, OUTCOMES)
        deadline, last = time.monotonic() + _QUIET_WITHIN_S, -1
        try:
            while (now := ends.total()) != last and time.monotonic() < deadline:
                last = now
                time.sleep(_QUIET_S)
        finally:
            ends.close()

    def logged(self, topic: str = OUTCOMES) -> int:
        """How many records of a topic the log holds."""
        dsn = self.system.environment.read(PostgresSettings).dsn.get_secret_value()
        with psycopg.connect(dsn) as connection:
            query = "SELECT coalesce(sum(next_offset), 0) FROM consumer_offsets WHERE topic = %s"
            row = connection.execute(query, (topic,)).fetchone()
        return int(row[0]) if row else 0


def bound_s(total: int) -> float:
    """How long a row may take that has so much to do: a machine far slower than any still ends."""
    return _LEAST_S + total / _SLOWEST_PER_S
