"""Waits for the end of all that was promised, and gathers what every side has to say."""

import json
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import KafkaException

from hookstream.model.records import UNSETTLED, Outcome
from hookstream.stream.bounds import bounds
from hookstream.stream.groups import waited_out
from hookstream.stream.topics import OUTCOMES
from tests.chaos.breaking import Breaker
from tests.chaos.evidence import Attempted, Ended, Evidence, Key, Logged, Move, Retry
from tests.chaos.load import KINDS, type_of
from tests.chaos.receiver import FLAKY, GOOD
from tests.chaos.scene import Scene, wanted_of
from tests.fixtures.kafka import Seen, read_all

LOOK_S = 0.1
MOST_S = 1_800.0
"""The end is waited for at most so long, also while deliveries still end: of a receiver that takes
nothing some three a second do, and twenty come."""
MOVES = {"revoked", "lost"}
_STATES = "SELECT count(*) FROM deliveries WHERE state IN ('succeeded', 'failed')"
_OFFSETS = "SELECT partition, next_offset FROM consumer_offsets WHERE topic = 'outcomes'"
_ENDED = "SELECT webhook, event, state, attempts FROM deliveries"
_ATTEMPTED = (
    "SELECT d.webhook, d.event, a.turn, a.started_at_ms, a.duration_ms, a.status"
    " FROM attempts AS a JOIN deliveries AS d ON d.id = a.delivery AND d.day = a.day"
)


class LogWatch:
    """Notes, ten times a second, up to where outcomes are in Postgres."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._seen: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="log-watch", daemon=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """For as long as the block lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join(10)

    def logged_ns(self, partition: int, offset: int) -> int | None:
        """When this outcome was first seen to be there."""
        seen = self._seen[partition]
        at = bisect_left(seen, offset + 1, key=lambda pair: pair[0])
        return seen[at][1] if at < len(seen) else None

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            try:
                with psycopg.connect(self._dsn, connect_timeout=2, autocommit=True) as connection:
                    while not self._over.wait(LOOK_S):
                        self._look(connection)
            except psycopg.OperationalError:
                continue

    def _look(self, connection: psycopg.Connection[Any]) -> None:
        found = connection.execute(_OFFSETS).fetchall()
        now_ns = time.time_ns()
        for partition, offset in found:
            seen = self._seen[partition]
            if not seen or seen[-1][0] < offset:
                seen.append((offset, now_ns))


def wanted(scene: Scene) -> dict[Key, str]:
    """Every delivery that was promised, and how it must end."""
    states = {f"t.{kind}": wanted_of(f"t.{kind}") for kind in range(KINDS)}
    return {
        (name, event): state
        for event in scene.load.accepted
        for name, state in states[type_of(event)].items()
    }


def await_end(scene: Scene, within_s: float) -> None:
    """Until all has ended and is logged, or nothing more has ended for so long: the checker says
    what is missing. What a receiver never takes is put off again and again, and ends last."""
    total, most, now_s = len(wanted(scene)), 0, time.monotonic()
    deadline, latest = now_s + within_s, now_s + MOST_S
    while time.monotonic() < min(deadline, latest):
        with psycopg.connect(scene.dsn) as connection:
            ended = connection.execute(_STATES).fetchone()
            written: dict[int, int] = dict(connection.execute(_OFFSETS).fetchall())
        if ended and ended[0] > most:
            most, deadline = ended[0], time.monotonic() + within_s
        if ended and ended[0] >= total and _is_logged(scene, written):
            return
        time.sleep(LOOK_S)


def _is_logged(scene: Scene, written: dict[int, int]) -> bool:
    """Whether all outcomes are in Postgres; not while a broker that is only back cannot tell."""
    try:
        ends = bounds(scene.kafka, OUTCOMES, scene.size.partitions)
    except KafkaException:
        return False
    return all(bound.end <= written.get(p, 0) for p, bound in ends.items())


def gather(scene: Scene, breaker: Breaker, log: LogWatch) -> Evidence:
    """What the receiver, Postgres, Kafka and the services' own logs say."""
    names = scene.webhooks
    with psycopg.connect(scene.dsn) as connection:
        ended = {(names[w], e): Ended(s, n) for w, e, s, n in connection.execute(_ENDED)}
        attempted = [
            Attempted((names[w], e), *rest) for w, e, *rest in connection.execute(_ATTEMPTED)
        ]
        dead = connection.execute("SELECT count(*) FROM dead").fetchone()
    requests = scene.receiver.requests(scene.crew.by_source)
    outcomes = [(s, s.value) for s in waited_out(lambda _: read_all(scene.kafka, OUTCOMES))]
    ours = [(s, o) for s, o in outcomes if isinstance(o, Outcome)]
    return Evidence(
        session_s=scene.size.session_s,
        wanted=wanted(scene),
        sent_ns=dict(scene.load.sent_ns),
        requests=requests,
        ended=ended,
        attempted=attempted,
        faults=sorted(breaker.faults, key=lambda fault: fault.from_ns),
        deaths=list(scene.crew.deaths),
        moves=[move for path in _logs(scene) for move in moves_in(*path)],
        written=[_written(o, names) for _, o in ours if o.attempt and o.result not in UNSETTLED],
        retries=_retries(ours, names, scene),
        logged=[each for s, _ in outcomes if (each := _logged(s, log))],
        prompt=frozenset(name for name in names.values() if name.startswith(GOOD)),
        dead=int(dead[0]) if dead else 0,
    )


def moves_in(by: str, log: Path) -> list[Move]:
    """What a deliverer says of partitions that it lost or gave back."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        if '"partitions":["deliveries' not in line:
            continue
        said = json.loads(line)
        if said.get("message") in MOVES:
            at_ns = int(datetime.fromisoformat(said["ts"]).timestamp() * 1e9)
            found.append(Move(by, said["message"], at_ns))
    return found


def _logs(scene: Scene) -> Iterator[tuple[str, Path]]:
    for replica in scene.crew.replicas.values():
        if replica.service == "deliverer":
            yield from ((by, log) for by, log in replica.logs().items() if log.exists())


def _written(outcome: Outcome, names: dict[str, str]) -> Attempted:
    key, made = (names[outcome.webhook], outcome.event), outcome.attempt
    assert made is not None
    return Attempted(key, outcome.turn or 0, made.started_at_ms, made.duration_ms, made.status)


def _retries(ours: list[tuple[Seen, Outcome]], names: dict[str, str], scene: Scene) -> list[Retry]:
    """When flaky receivers were to be tried again, and were."""
    came: dict[Key, list[int]] = defaultdict(list)
    for got in scene.receiver.got:
        came[got.key].append(got.at_ns)
    found = []
    for _, outcome in ours:
        name, due_ms = names[outcome.webhook], outcome.next_due_at_ms
        if outcome.attempt is not None and due_ms is not None and name.startswith(FLAKY):
            due_ns = due_ms * 1_000_000
            at_ns = sorted(came[name, outcome.event])
            after = bisect_left(at_ns, due_ns)
            found.append(Retry(due_ns, at_ns[after] if after < len(at_ns) else None))
    return found


def _logged(seen: Seen, log: LogWatch) -> Logged | None:
    logged_ns = log.logged_ns(seen.partition, seen.offset)
    if logged_ns is None:
        return None
    return Logged(seen.partition, seen.timestamp_ms * 1_000_000, logged_ns)
