"""`make soak ARGS="--minutes 30"`: half of capacity for long, one delivery in a hundred failing.

Is anything growing: memory, files, threads, delays, what waits? Exit status 1 if it is.
"""

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import click
import msgspec
import psutil
import psycopg

from bench.drift import Look, Minute, all_flat, as_text, judged
from bench.ground import Ground
from bench.http_load import LoadError, Paced, closed_loop, open_loop
from bench.payloads import LANES, Times, requests, small
from bench.session import Session, Sizes
from bench.stage import PARTITIONS, Stage
from bench.straight import Maker, configure
from hookstream.model.policy import Policy, Schedule
from hookstream.model.records import Event, Webhook
from hookstream.store.settings import PostgresSettings
from hookstream.stream.bounds import bounds
from hookstream.stream.remembered import TURN_BYTES
from hookstream.stream.topics import OUTCOMES
from services.cli.percentiles import percentile
from services.cli.settings import SERVICES
from services.cli.up import explained

CAPACITY_EVENTS = 10_000
EVERY_S = 5.0
MINUTE_S = 60.0
FAILS_ONE_IN = 100
FAILING, FAILING_TYPE = "soak-once", "once.0"
FORGET_S = 120.0
AGAIN = Policy(id="soak", name="Soak", schedule=Schedule(delays_ms=(1_000,) * 5, max_requests=6))
_REMEMBERED = re.compile(r"^hookstream_turns_remembered(?:{.*})? (\S+)$", re.MULTILINE)
_LOGGED = "SELECT coalesce(sum(next_offset), 0) FROM consumer_offsets WHERE topic = %s"


class Soak:
    """One run on one stage; `looks` and `minutes` are what it saw."""

    def __init__(self, stage: Stage, per_s: float, seconds: float) -> None:
        self.looks: list[Look] = []
        self.minutes: list[Minute] = []
        self.unseen = 0
        """Events that no request was noted for within two minutes."""
        self.wrong: str | None = None
        """Why sending ended before its time."""
        self._stage, self._per_s, self._seconds = stage, per_s, seconds
        self._times: Times = {}
        self._pool = Paced()
        self._receives = urlsplit(stage.receiver.url).port
        self._begun = time.monotonic()

    def run(self, tell: Callable[[str], None]) -> None:
        """Send at the pace, and look, until the time is up or sending fails."""
        sending = threading.Thread(target=self._send, daemon=True)
        self._stage.receiver.clear()
        sending.start()
        next_minute = self._begun + MINUTE_S
        while sending.is_alive():
            self._look()
            if time.monotonic() >= next_minute:
                next_minute += MINUTE_S
                self._close_minute(tell)
            sending.join(EVERY_S)

    def _send(self) -> None:
        made = requests(self._events(int(self._per_s * self._seconds)), self._stage.entrance.key)
        try:
            open_loop(self._stage.system.ports.ingest, made, self._per_s, pool=self._pool)
        except (OSError, LoadError) as error:
            self.wrong = f"{type(error).__name__}: {error}"

    def _events(self, count: int) -> Iterator[Event]:
        for number in range(count):
            now, fails = time.time_ns(), number % FAILS_ONE_IN == 0
            name = f"soak_{number}"
            if not fails:
                self._times[name] = now
            yield Event(
                workspace=self._stage.entrance.workspace,
                id=name,
                type=FAILING_TYPE if fails else f"bench.{number % LANES}",
                created_at_ms=now // 1_000_000,
                data=small(number),
            )

    def _look(self) -> None:
        at_s = time.monotonic() - self._begun
        for name, tree in self._stage.pids().items():
            with suppress(psutil.NoSuchProcess):
                every = [psutil.Process(pid) for pid in tree]
                rss = sum(process.memory_info().rss for process in every) / 1e6
                files = sum(process.num_fds() for process in every)
                threads = sum(process.num_threads() for process in every)
                filling = self._filling(name, every)
                self.looks.append(Look(name, at_s, rss, files, threads, filling))

    def _filling(self, name: str, every: Sequence[psutil.Process]) -> dict[str, float]:
        """What has a bound of its own: turns remembered; and connections, one more of which the
        load opens, and the deliverer keeps, whenever all that there are wait for an answer."""
        if name == "ingest":
            return {"files": self._pool.opened}
        if name != "deliverer":
            return {}
        found = [each for process in every for each in process.net_connections("tcp")]
        kept = sum(1 for each in found if each.raddr and each.raddr.port == self._receives)
        return {"rss_mb": self._remembered() * TURN_BYTES / 1e6, "files": kept}

    def _remembered(self) -> int:
        """Turns, as the deliverer says."""
        port = self._stage.system.ports.health["deliverer"]
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=EVERY_S) as answer:
            found = _REMEMBERED.search(answer.read().decode())
        return int(float(found[1])) if found else 0

    def _close_minute(self, tell: Callable[[str], None]) -> None:
        record = self._stage.receiver.record()
        self._stage.receiver.clear()
        delays = []
        for page in record.values():
            for seen in page:
                sent_ns = self._times.pop(seen.id, None)
                if sent_ns is not None:
                    delays.append((seen.at_ns - sent_ns) / 1e6)
        delays.sort()
        self._forget_old()
        minute = Minute(
            time.monotonic() - self._begun,
            sum(map(len, record.values())),
            percentile(delays, 50),
            percentile(delays, 99),
            len(self._times),
            self._unlogged(),
            {look.process: round(look.rss_mb, 1) for look in self.looks},
            self._remembered(),
        )
        self.minutes.append(minute)
        tell(
            f"{minute.at_s / 60:5.1f} min  {minute.received} received, p50 {minute.p50_ms:.1f} ms,"
            f" p99 {minute.p99_ms:.1f} ms, {minute.unlogged} not logged yet,"
            f" deliverer {minute.rss_mb['deliverer']:.0f} MB with {minute.remembered} turns"
        )

    def _forget_old(self) -> None:
        """What came between a look at the receiver's record and its clearing is seen by nobody."""
        before_ns = time.time_ns() - int(FORGET_S * 1e9)
        old = [name for name, sent_ns in list(self._times.items()) if sent_ns < before_ns]
        for name in old:
            del self._times[name]
        self.unseen += len(old)

    def _unlogged(self) -> int:
        dsn = self._stage.system.environment.read(PostgresSettings).dsn.get_secret_value()
        with psycopg.connect(dsn) as connection:
            row = connection.execute(_LOGGED, (OUTCOMES,)).fetchone()
        ends = bounds(self._stage.system.kafka, OUTCOMES, PARTITIONS).values()
        return sum(each.end for each in ends) - int(row[0] if row else 0)


def capacity(session: Session, stage: Stage) -> float:
    """Events a second that the whole system takes, one a request, to the answer logged."""
    times: Times = {}
    made = session.events(stage, CAPACITY_EVENTS, times, "bench")
    port, key = stage.system.ports.ingest, stage.entrance.key
    done = stage.measure(lambda: closed_loop(port, requests(made, key)), times)
    return CAPACITY_EVENTS / done.seconds


@click.command()
@click.option("--minutes", default=30.0, show_default=True)
@click.option("--rate", default=0.0, help="events a second; without it half of what is measured")
@click.option("--json", "file", type=click.Path(path_type=Path), help="write all looks there")
def main(minutes: float, rate: float, file: Path | None) -> None:
    """Send for MINUTES at half of capacity, and say of each process whether it grows."""
    with explained(), Ground(click.echo) as ground, Session(ground, Sizes()) as session:
        stage = session.main()
        configure(stage, [_failing(stage)])
        stage.only(*SERVICES)
        most = 2 * rate or capacity(session, stage)
        click.echo(f"{most / 2:.0f} events/s for {minutes:g} minutes")
        soak = Soak(stage, most / 2, minutes * 60)
        soak.run(click.echo)
        verdicts = judged(soak.looks, soak.minutes)
        lasted = soak.looks[-1].at_s / 60
        about = {"minutes": round(lasted, 1), "events/s": round(most / 2), "unseen": soak.unseen}
        click.echo("\n" + as_text(verdicts, about))
        if file:
            whole = {"about": about, "verdicts": verdicts, "minutes": soak.minutes}
            file.write_bytes(msgspec.json.format(msgspec.json.encode(whole)) + b"\n")
        if soak.wrong:
            click.echo(f"ended before its time: {soak.wrong}", err=True)
        sys.exit(0 if all_flat(verdicts) and not soak.wrong else 1)
    sys.exit(130)


def _failing(stage: Stage) -> Webhook:
    url = f"{stage.receiver.url}/once/soak"
    return Maker(stage).webhook(FAILING, url, [FAILING_TYPE], AGAIN)


if __name__ == "__main__":
    main()
