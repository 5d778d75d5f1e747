"""A whole system whose parts a test may break: its services, its Kafka, its PostgreSQL."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import time_ns
from typing import Any, NamedTuple

import psycopg
from confluent_kafka import Consumer, TopicPartition

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.postgres import EmbeddedPostgres
from hookstream.model.records import Outcome
from hookstream.stream.groups import committed
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import DELIVERIES, EVENTS, OUTCOMES, RETRY, TIERS
from services.cli.api import Api
from services.cli.brokers import KAFKA_ADDRESS, POSTGRES_ADDRESS, without_ours
from services.cli.entrance import open_entrance
from services.cli.ports import free
from services.cli.system import System
from tests.fixtures.kafka import Seen, read_all, wait_until
from tests.system.load import Load
from tests.system.receiving import PATHS, Receiving

PARTITIONS = 4
SESSION_S = 6.0
GOES_ON_S = SESSION_S + 5
"""Within this much of a kill work goes on; tests allow twice as much."""
WORKSPACE = "faults"
DELAYS_MS = [300, 700, 700, 700, 700, 700]
"""The short schedule of all three webhooks."""
_READS = {"router": [EVENTS], "deliverer": [DELIVERIES], "retry": [RETRY, *TIERS]}


class Kill(NamedTuple):
    """One `kill -9`, and what was in flight then."""

    service: str
    frozen_ns: int
    """From then on it did nothing more."""
    at_ns: int
    in_flight: int


class Running:
    """A started system with a workspace and three webhooks: `/good`, `/flaky` and `/slow`."""

    def __init__(
        self, system: System, kafka: EmbeddedKafka, postgres: EmbeddedPostgres, receiver: Receiving
    ) -> None:
        self.system = system
        self.kafka, self.postgres, self.receiver = kafka, postgres, receiver
        self.settings: KafkaSettings = system.kafka
        self._connection: psycopg.Connection[Any] | None = None
        self._consumer = Consumer(self.settings.client("tests") | {"group.id": "tests"})
        self.key = open_entrance(system, WORKSPACE).key
        with self.api() as api:
            schedule = {"kind": "list", "delays_ms": DELAYS_MS}
            policy = api.post("/v1/policies", {"name": "quick", "schedule": schedule})["id"]
            self.webhooks = {path: self._webhook(api, path, policy) for path in PATHS}

    def _webhook(self, api: Api, path: str, policy: str) -> str:
        body = {"name": path[1:], "url": self.receiver.url + path, "policy": policy}
        id_: str = api.post("/v1/webhooks", body, fine=(201,))["id"]
        return id_

    def api(self) -> Api:
        """The management API with the workspace's key."""
        return Api(self.system.ports.console_url, self.key)

    def load(self) -> Load:
        """Events for the three webhooks."""
        return Load(self.system.ports.ingest_url, self.key, self.settings, WORKSPACE)

    def close(self) -> None:
        """Let go of Kafka and Postgres."""
        self._consumer.close()
        if self._connection is not None:
            self._connection.close()

    # -- breaking -------------------------------------------------------------------------------

    def kill(self, service: str) -> Kill:
        """`kill -9` with records in flight: it is frozen, looked at, and let go if it is idle."""

        def frozen_and_killed() -> Kill | None:
            ends = {topic: self.ends(topic) for topic in _READS.get(service, [OUTCOMES])}
            pid = self.system.pids()[service][0]
            os.kill(pid, signal.SIGSTOP)
            frozen_ns = time_ns()
            found = self._in_flight(service, ends)
            if not found:
                os.kill(pid, signal.SIGCONT)
                return None
            at_ns = time_ns()
            self.system.kill(service)
            return Kill(service, frozen_ns, at_ns, found)

        killed = wait_until(frozen_and_killed)
        assert killed is not None
        return killed

    def _in_flight(self, service: str, ends: Mapping[str, Mapping[int, int]]) -> int:
        """What the frozen service has begun: what was there before, and is not finished."""
        if service == "status":
            return self._unwritten(ends[OUTCOMES])
        unfinished = sum(self._unfinished(service, topic, ends[topic]) for topic in ends)
        if service == "deliverer":
            return min(unfinished, len(self.receiver.open()))
        return unfinished

    def _unfinished(self, group: str, topic: str, ends: Mapping[int, int]) -> int:
        """Records before `ends` that the group has not committed as done."""
        at = committed(self.settings, group, topic, len(ends))
        done = {p: sum(o < end for o in at[p].done) for p, end in ends.items()}
        return sum(max(0, end - at[p].offset - done[p]) for p, end in ends.items())

    def _unwritten(self, ends: Mapping[int, int]) -> int:
        query = "SELECT partition, next_offset FROM consumer_offsets WHERE topic = 'outcomes'"
        written = dict(self.rows(query))
        return sum(max(0, end - written.get(p, 0)) for p, end in ends.items())

    def stop_postgres(self) -> None:
        """It is gone until `postgres.start()`."""
        if self._connection is not None:
            self._connection.close()
        self.postgres.stop()

    # -- looking --------------------------------------------------------------------------------

    def ends(self, topic: str) -> dict[int, int]:
        """Where each partition of a topic ends."""
        name, look = self.settings.topic(topic), self._consumer
        parts = look.list_topics(name, timeout=10).topics[name].partitions
        found = {p: look.get_watermark_offsets(TopicPartition(name, p), timeout=10) for p in parts}
        return {p: high for p, (_, high) in found.items()}

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What Postgres answers."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.dsn, connect_timeout=5, autocommit=True)
        return self._connection.execute(query.encode(), values).fetchall()

    @property
    def dsn(self) -> str:
        """Address of the system's database."""
        return self.postgres.dsn.rpartition("/")[0] + "/hookstream"

    def states(self) -> dict[tuple[str, str], int]:
        """(webhook id, state) -> deliveries in Postgres."""
        query = "SELECT webhook, state, count(*) FROM deliveries GROUP BY webhook, state"
        return {(webhook, state): n for webhook, state, n in self.rows(query)}

    def all_succeeded(self, events: int) -> bool:
        """Whether there are so many deliveries for each webhook, and all have succeeded."""
        return self.states() == {(w, "succeeded"): events for w in self.webhooks.values()}

    def logged(self) -> int:
        """Events in Postgres: they come by a way of their own, before or after their deliveries."""
        return int(self.rows("SELECT count(*) FROM events")[0][0])

    def outcomes(self) -> list[tuple[Seen, Outcome]]:
        """All outcomes on the topic."""
        seen = read_all(self.settings, OUTCOMES)
        return [(s, s.value) for s in seen if isinstance(s.value, Outcome)]

    def path_of(self, webhook: str) -> str:
        """The path that a webhook leads to."""
        return next(path for path, id_ in self.webhooks.items() if id_ == webhook)


@contextmanager
def running() -> Iterator[Running]:
    """A started system; stopped, with all it started, whatever the test does."""
    folder = Path(tempfile.mkdtemp(prefix="hookstream-faults-"))
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        kafka = stack.enter_context(EmbeddedKafka(folder / "own-kafka"))
        postgres = stack.enter_context(EmbeddedPostgres(folder / "own-postgres"))
        environ = without_ours() | {
            KAFKA_ADDRESS: kafka.bootstrap_servers,
            POSTGRES_ADDRESS: postgres.create_database("hookstream"),
            "HOOKSTREAM_KAFKA_SESSION_TIMEOUT_MS": str(int(SESSION_S * 1000)),
            "HOOKSTREAM_CONSOLE_PUBLISH_WAIT_S": "25",
        }
        system = System(folder, free(), environ=environ, partitions=PARTITIONS)
        receiver = stack.enter_context(Receiving())
        stack.enter_context(system)
        made = Running(system, kafka, postgres, receiver)
        stack.callback(made.close)
        yield made
