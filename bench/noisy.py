"""The row `noisy`: a tenth of the traffic goes to a receiver that hangs. How do the others fare?

As the systems that we compare with were measured: one webhook that answers and one that holds its
connections open; 32 posters, each event for the one or, at random, one in ten, for the other. The
webhooks share a partition, the worst there is. Beside it, the same traffic with none hanging.
"""

import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count as numbers
from typing import NamedTuple

from msgspec.structs import replace

from bench import payloads
from bench.counts import WrongCount, all_seen, check, seconds_of
from bench.cpu import Spent, between, spent
from bench.http_load import closed_loop, open_loop
from bench.payloads import Times
from bench.row import Row, ratio, row_of, tail, with_tail
from bench.session import Session
from bench.stage import PARTITIONS, Stage
from bench.straight import Maker, configure, same_partition
from hookstream.model.policy import Policy, Schedule
from hookstream.model.records import Event, Webhook
from services.cli.settings import SERVICES

SHARE = 0.1
PER_S = 600.0
"""Of the open loop, 60 of them to the one that hangs."""
SEED = 7
GOOD = "good"
_RUNS = numbers()
PATIENT = Policy(
    id="bench-noisy",
    name="Bench, noisy",
    deadline_ms=10_000,
    schedule=Schedule(delays_ms=(30_000, 300_000, 1_800_000), max_requests=4),
)


class Good(NamedTuple):
    """How the good ones fared in one run."""

    events: int
    seconds: float
    cpu: Spent
    delays_ms: list[float]

    @property
    def per_s(self) -> float | None:
        """Received a second."""
        return ratio(self.events, self.seconds)


class Mixed:
    """Events for the good webhook and, one in ten, for another; `good` and `others`: what went."""

    def __init__(self, session: Session, stage: Stage, mood: str | None) -> None:
        self._session, self._stage = session, stage
        self.name = same_partition(GOOD, f"{mood}{next(_RUNS)}-", PARTITIONS)
        self.path = f"/{mood}/{self.name}"
        self.alone = mood is None
        self.good: Times = {}
        self.others: Times = {}

    def requests(self, count: int) -> Iterator[bytes]:
        """So many in all; without another webhook, the good ones of them alone."""
        return payloads.requests(self._events(count), self._stage.entrance.key)

    def _events(self, count: int) -> Iterator[Event]:
        good = self._session.events(self._stage, count, self.good, GOOD)
        others = self._session.events(self._stage, count, self.others, self.name)
        choose = random.Random(SEED)
        for _ in range(count):
            if choose.random() >= SHARE:
                yield next(good)
            elif not self.alone:
                yield next(others)


Send = Callable[[Iterator[bytes]], None]


def noisy(session: Session) -> Row:
    """Columns: the good ones beside a receiver that hangs; figures: the same without."""
    count, paced = session.sizes.events, int(PER_S * session.sizes.open_s)
    with session.fresh("noisy") as stage:
        stage.only(*SERVICES)
        maker, port = Maker(stage), stage.system.ports.ingest
        url = f"{stage.receiver.url}/{GOOD}"
        configure(stage, [maker.webhook(GOOD, url, [f"{GOOD}.*"], PATIENT)])
        session.warm(stage, GOOD)

        def run(mood: str | None, count: int, send: Send) -> Good:
            return _run(stage, maker, Mixed(session, stage, mood), count, send)

        closed: Send = partial(closed_loop, port)
        steady: Send = partial(open_loop, port, per_s=PER_S)
        alone = run(None, count, closed)
        calm, beset = run("fine", count, closed), run("hang", count, closed)
        calm_steady, beset_steady = run("fine", paced, steady), run("hang", paced, steady)
    return _row(alone, calm, beset, calm_steady, beset_steady)


def _run(stage: Stage, maker: Maker, mixed: Mixed, count: int, send: Send) -> Good:
    other = maker.webhook(mixed.name, stage.receiver.url + mixed.path, [f"{mixed.name}.*"], PATIENT)
    configure(stage, [other])
    stage.receiver.clear()
    before = spent(stage.pids())
    send(mixed.requests(count))
    stage.await_arrivals(len(mixed.good), f"/{GOOD}")
    used = between(before, spent(stage.pids()))
    record = stage.receiver.record()
    good = {path: page for path, page in record.items() if path == f"/{GOOD}"}
    check(good, mixed.good, 1)
    if strangers := {s.id for s in record.get(mixed.path, ())} - mixed.others.keys():
        raise WrongCount(f"{len(strangers)} requests at {mixed.path} that were not sent there")
    _end(stage, other, mixed)
    seen = all_seen(good)
    delays = [(s.at_ns - mixed.good[s.id]) / 1e6 for s in seen]
    return Good(len(seen), seconds_of(seen), used, delays)


def _end(stage: Stage, other: Webhook, mixed: Mixed) -> None:
    """Nothing of this run may be under way in the next: a webhook that hangs is deleted."""
    if mixed.path.startswith("/hang/"):
        configure(stage, [replace(other, state="deleted")])
        stage.receiver.release()
        stage.await_quiet()  # a few that were put off for long may come later
    else:
        stage.await_arrivals(len(mixed.others), mixed.path)
    stage.await_log()


def _row(alone: Good, calm: Good, beset: Good, calm_steady: Good, beset_steady: Good) -> Row:
    row = with_tail(row_of("noisy", beset.events, beset.seconds, beset.cpu), beset.delays_ms)
    without = tail(calm.delays_ms)
    with_steady, without_steady = tail(beset_steady.delays_ms), tail(calm_steady.delays_ms)
    row.figures = {
        "throughput_ratio": ratio(beset.per_s, calm.per_s),
        "p99_ratio": ratio(row.p99_ms, without.p99),
        "none_hanging_per_s": calm.per_s,
        "none_hanging_p50_ms": without.p50,
        "none_hanging_p99_ms": without.p99,
        "good_alone_per_s": alone.per_s,
        "good_alone_ratio": ratio(beset.per_s, alone.per_s),
        f"at_{PER_S:.0f}_p50_ms": with_steady.p50,
        f"at_{PER_S:.0f}_p99_ms": with_steady.p99,
        f"at_{PER_S:.0f}_none_hanging_p50_ms": without_steady.p50,
        f"at_{PER_S:.0f}_none_hanging_p99_ms": without_steady.p99,
        f"at_{PER_S:.0f}_p99_ratio": ratio(with_steady.p99, without_steady.p99),
        f"at_{PER_S:.0f}_n": with_steady.n,
    }
    return row
