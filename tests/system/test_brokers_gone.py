"""Kafka gone, PostgreSQL gone: what goes on, what waits, and that nothing accepted is lost."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.fixtures.kafka import wait_until
from tests.system.load import Load
from tests.system.receiving import FLAKY, GOOD, PATHS
from tests.system.running import Running, running

WITHIN_S = 60
ANSWER_S = 28
"""ingest has ten seconds to answer; a busy machine gets as much as the client waits, almost."""
MOVING = ("ingest", "router", "deliverer", "retry")


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
def load(system: Running) -> Load:
    return system.load()


def received(system: Running, ids: set[str]) -> bool:
    """Whether each webhook's receiver has taken all of these."""
    return all(ids <= system.receiver.taken(path) for path in PATHS)


def requests_told(system: Running) -> set[tuple[str, int | None, int]]:
    """The requests that outcomes tell of. One may be there twice after a broker's death."""
    told = ((outcome, outcome.attempt) for _, outcome in system.outcomes())
    return {(o.delivery, o.turn, a.started_at_ms) for o, a in told if a is not None}


def test_broker_gone_ingest_says_so_and_nothing_acknowledged_is_lost(
    system: Running, load: Load
) -> None:
    """It hangs, dies and comes back; all services are still the same processes, and go on."""
    before = {name: system.system.pids()[name] for name in (*MOVING, "status", "console")}
    with load.running():
        wait_until(lambda: system.receiver.taken(FLAKY), WITHIN_S)
        os.kill(system.kafka.pid, signal.SIGSTOP)
        wait_until(lambda: load.unknown, 2 * ANSWER_S)
        os.kill(system.kafka.pid, signal.SIGKILL)
        system.kafka.stop()
        system.kafka.start()
        back = load.by_http(1)
        wait_until(lambda: set(back) <= system.receiver.taken(GOOD) | load.unknown, WITHIN_S)
    load.settle()
    assert load.all_accepted
    assert max(seconds for _, seconds in load.answers) < ANSWER_S
    wait_until(lambda: system.all_succeeded(len(load.accepted)), WITHIN_S)
    wait_until(lambda: system.logged() == len(load.accepted), WITHIN_S)
    assert received(system, load.accepted)
    assert {name: system.system.pids()[name] for name in before} == before


def test_what_moves_needs_kafka_only(system: Running, load: Load) -> None:
    """Postgres stopped, all others restarted: published, received; and the log catches up."""
    there, status = system.logged(), system.system.pids()["status"]
    system.stop_postgres()
    for service in MOVING:
        system.system.stop_service(service)
    for service in MOVING:
        system.system.start_service(service)
    load.by_http(40)
    load.by_kafka(40)
    load.settle()
    assert load.all_accepted
    wait_until(lambda: received(system, load.accepted), WITHIN_S)
    system.postgres.start()
    wait_until(lambda: system.all_succeeded(there + len(load.accepted)), WITHIN_S)
    wait_until(lambda: system.logged() == there + len(load.accepted), WITHIN_S)
    assert system.rows("SELECT count(*) FROM attempts") == [(len(requests_told(system)),)]
    assert system.system.pids()["status"] == status


def test_postgres_gone_the_console_says_so_and_comes_back(system: Running) -> None:
    auth = {"authorization": f"Bearer {system.key}"}
    with httpx2.Client(
        base_url=system.system.ports.console_url, headers=auth, timeout=30, trust_env=False
    ) as client:
        system.stop_postgres()
        webhook = {"url": f"{system.receiver.url}/new", "events": ["never"]}
        with ThreadPoolExecutor() as threads:
            read = threads.submit(client.get, "/v1/webhooks")
            written = threads.submit(client.post, "/v1/webhooks", json=webhook)
        for answer in (read.result(), written.result()):
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "database_unavailable"
        system.postgres.start()
        wait_until(lambda: client.get("/v1/webhooks").status_code == 200, WITHIN_S)
        assert client.post("/v1/webhooks", json=webhook).status_code == 201
