"""The system that is measured, the receiver beside it, and how one measurement goes."""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Self

import psycopg

from bench.cpu import Spent, between, spent
from bench.payloads import LANES, Times
from hookstream.model.records import Webhook
from hookstream.store.settings import PostgresSettings
from hookstream.stream.bounds import bounds
from hookstream.stream.table import Table
from hookstream.stream.topics import OUTCOMES
from services.cli.api import Api
from services.cli.brokers import without_ours
from services.cli.entrance import Entrance, open_entrance
from services.cli.percentiles import percentile
from services.cli.ports import free
from services.cli.receiver import Record
from services.cli.receiving import Receiving
from services.cli.system import System

PARTITIONS = 16
KAFKA = {"heap_mb": 1024}
"""With its quick compiler: within so short a run the full one costs more than it saves."""
WITHIN_S = 120.0
_LOOK_S = 0.1
_LOG_LOOK_S = 0.25


class WrongCount(Exception):
    """What was received is not what was sent."""


class Measured(NamedTuple):
    """One run: how long the arrivals took, and what every process spent."""

    seconds: float
    cpu: Spent
    delays_ms: list[float]


class Stage:
    """As a context manager all is started and, whatever comes, stopped and deleted."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="hookstream-bench-"))
        self._folder.chmod(0o755)
        self.receiver = Receiving()
        environ = without_ours() | {
            "HOOKSTREAM_CONSOLE_PUBLISH_WAIT_S": "10",
            "HOOKSTREAM_PROCESS_LOG_LEVEL": "warning",
        }
        self.system = System(
            self._folder,
            free(),
            environ=environ,
            partitions=PARTITIONS,
            restart=False,
            kafka=KAFKA,
            tell=tell,
        )
        self.entrance: Entrance
        self.webhooks: list[Webhook]
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, self._folder, ignore_errors=True)
            undo.enter_context(self.receiver)
            undo.enter_context(self.system)
            self.entrance = open_entrance(self.system, "bench")
            self.webhooks = self._subscribe()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def only(self, *services: str) -> None:
        """Have these services run, and no others."""
        for name, service in self.system.services.items():
            if name in services and not service.pids():
                self.system.start_service(name)
            elif name not in services and service.pids():
                self.system.stop_service(name)

    def measure(
        self, send: Callable[[], Any], times: Times, fan_out: int = 1, *, logged: bool = True
    ) -> Measured:
        """Send, wait until all is received (and logged); WrongCount if it is not what was sent."""
        self.receiver.clear()
        before = spent(self.system.pids())
        send()
        self._await_arrivals(len(times) * fan_out)
        if logged:
            self._await_log()
        used = between(before, spent(self.system.pids()))
        record = self.receiver.record()
        check(record, times, fan_out)
        arrivals = sorted(seen.at_ns for page in record.values() for seen in page)
        delays = [(s.at_ns - times[s.id]) / 1e6 for page in record.values() for s in page]
        return Measured((arrivals[-1] - arrivals[0]) / 1e9, used, sorted(delays))

    def spent_by(self, work: Callable[[], Any]) -> Measured:
        """Time and CPU of some work at whose end nothing is received."""
        before, start = spent(self.system.pids()), time.perf_counter()
        work()
        seconds = time.perf_counter() - start
        return Measured(seconds, between(before, spent(self.system.pids())), [])

    def _subscribe(self) -> list[Webhook]:
        """Each webhook gets one type of kind `bench` for itself, and shares those of `fan`."""
        with Api(self.system.ports.console_url, self.entrance.key) as api:
            for number in range(LANES):
                shared = [f"fan.{n}" for n in range(LANES) if n % (LANES // 4) == number // 4]
                body = {
                    "url": f"{self.receiver.url}/{number}",
                    "name": f"w{number}",
                    "events": [f"bench.{number}", *shared],
                }
                api.post("/v1/webhooks", body, fine=(201,))
        table = Table(self.system.kafka, "hookstream-bench-config")
        table.catch_up()
        found = sorted(table.config.webhooks.values(), key=lambda w: int(w.name[1:]))
        table.close()
        return found

    def _await_arrivals(self, total: int) -> None:
        deadline = time.monotonic() + WITHIN_S
        while sum(self.receiver.counts().values()) < total:
            if time.monotonic() > deadline:
                got = sum(self.receiver.counts().values())
                raise WrongCount(f"{got} of {total} received within {WITHIN_S:.0f} s")
            time.sleep(_LOOK_S)

    def _await_log(self) -> None:
        """Until the log holds every outcome that is on the topic."""
        deadline = time.monotonic() + WITHIN_S
        while not self._is_logged():
            if time.monotonic() > deadline:
                raise WrongCount(f"the log was not complete within {WITHIN_S:.0f} s")
            time.sleep(_LOG_LOOK_S)

    def _is_logged(self) -> bool:
        dsn = self.system.environment.read(PostgresSettings).dsn.get_secret_value()
        with psycopg.connect(dsn) as connection:
            query = "SELECT coalesce(sum(next_offset), 0) FROM consumer_offsets WHERE topic = %s"
            row = connection.execute(query, (OUTCOMES,)).fetchone()
        ends = bounds(self.system.kafka, OUTCOMES, PARTITIONS).values()
        return row is not None and int(row[0]) >= sum(bound.end for bound in ends)


def check(record: Record, times: Times, fan_out: int) -> None:
    """Every event as often as there are webhooks for it, and no other."""
    seen = [s.id for page in record.values() for s in page]
    wrong = len(seen) - len(times) * fan_out
    pairs = {(path, s.id) for path, page in record.items() for s in page}
    if wrong or len(pairs) != len(seen) or {event for _, event in pairs} != times.keys():
        raise WrongCount(f"{len(times)} events × {fan_out} sent, {len(seen)} requests received")


def p50_p99(delays: Sequence[float]) -> tuple[float, float]:
    """Of sorted delays."""
    return percentile(delays, 50), percentile(delays, 99)
