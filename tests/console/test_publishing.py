"""201 once the change is on the topic, 202 before; and what holds while the database is away."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import httpx2
import psycopg
import pytest
from psycopg import sql

from hookstream.embedded.ports import free_port
from hookstream.embedded.postgres import EmbeddedPostgres
from hookstream.process.health import Health
from hookstream.process.run import Context
from hookstream.process.settings import Environment, SettingsError
from hookstream.store import outbox
from hookstream.store.outbox import Holder
from services.console.main import SETTINGS, main
from tests.console.served import OPERATOR, SEALING, serving, side
from tests.console.test_webhooks import URL
from tests.fixtures.kafka import wait_until

PATIENT_S = 30.0
"""How long an answer waits where the change is to come to the topic meanwhile."""
WRITERS = 60
"""More than a console has connections or threads."""


@contextmanager
def publishing(dsn: str) -> Iterator[None]:
    """Empties the outbox as the holder does, as if Kafka acknowledged all."""
    stop = threading.Event()

    def work() -> None:
        holder = Holder(dsn)
        assert holder.acquire()
        while not stop.is_set():
            rows = outbox.oldest(holder.connection, 500)
            if rows:
                outbox.delete(holder.connection, [row.id for row in rows])
            else:
                holder.wait(0.2)
        holder.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def test_the_answer_comes_when_the_change_is_on_the_topic(database: str) -> None:
    with serving(database, PATIENT_S) as (url, console), publishing(database):
        wait_until(console.published.listening.is_set)
        ours = side(url, "ours")
        begun = monotonic()
        answer = ours.call("POST", "/v1/webhooks", {"url": URL})
        assert answer.status_code == 201
        assert answer.json()["publishing"] is False
        assert monotonic() - begun < PATIENT_S


def test_a_change_that_is_not_yet_on_the_topic_says_so(database: str) -> None:
    with serving(database, publish_wait_s=0.05) as (url, _):
        ours = side(url, "ours")
        answer = ours.call("POST", "/v1/webhooks", {"url": URL})
        assert answer.status_code == 202
        assert answer.json()["publishing"] is True


def test_writers_that_wait_do_not_keep_readers_waiting(database: str) -> None:
    answers: list[int] = []
    with serving(database, publish_wait_s=60, wait_s=60) as (url, _):
        with publishing(database):
            ours = side(url, "ours")

        def write() -> None:
            answers.append(ours.call("POST", "/v1/webhooks", {"url": URL}).status_code)

        def made() -> int:
            answer = ours.call("GET", f"/v1/webhooks?limit={WRITERS}")
            assert answer.status_code == 200
            return len(answer.json()["items"])

        writers = [threading.Thread(target=write, daemon=True) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        wait_until(lambda: made() == WRITERS)
        assert answers == [], "all of them wait for the topic"
        with publishing(database):
            for writer in writers:
                writer.join(60)
    assert answers == [201] * WRITERS


def test_a_database_that_goes_away_is_a_503_and_comes_back(
    postgres: EmbeddedPostgres, database: str
) -> None:
    with serving(database, wait_s=1.0) as (url, _):
        ours = side(url, "ours")
        with away(postgres, database.rpartition("/")[2]):
            for role, path in (("viewer", "/v1/webhooks"), ("admin", "/v1/keys")):
                answer = ours.call("GET", path, role=role)
                assert answer.status_code == 503
                assert answer.headers["retry-after"] == "2"
                assert answer.json()["code"] == "database_unavailable"
            assert ours.call("POST", "/v1/webhooks", {"url": URL}).status_code == 503
        wait_until(lambda: ours.call("GET", "/v1/webhooks").status_code == 200)
        assert ours.call("GET", "/v1/webhooks").json()["items"] == []


@contextmanager
def away(postgres: EmbeddedPostgres, database: str) -> Iterator[None]:
    """Nobody gets at the database, and who was connected is no more."""
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        name = sql.Identifier(database)
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,)
        )
        yield
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))


class _NoTelemetry:
    """Nothing of it is used by the console."""


async def test_the_service_starts_before_its_database_and_waits_for_it(
    postgres: EmbeddedPostgres, database: str
) -> None:
    name = "comes_later"
    port = free_port()
    environ = {
        "HOOKSTREAM_POSTGRES_DSN": database.rpartition("/")[0] + f"/{name}",
        "HOOKSTREAM_POSTGRES_WAIT_S": "5",
        "HOOKSTREAM_CONSOLE_PORT": str(port),
        "HOOKSTREAM_CONSOLE_OPERATOR_KEY": OPERATOR,
        "HOOKSTREAM_SEAL_KEYS": SEALING,
    }
    health, stop = Health(), asyncio.Event()
    environment = Environment(environ, SETTINGS)
    context = Context(environment, None, health, _NoTelemetry())  # type: ignore[arg-type]
    running = asyncio.create_task(main(stop, context))
    url = f"http://127.0.0.1:{port}"
    answer = await _answered(url)
    assert (answer.status_code, answer.json()["code"]) == (503, "starting")
    assert "database" in health.ready_reasons()
    await asyncio.to_thread(postgres.create_database, name)
    async with asyncio.timeout(60):
        while health.ready_reasons():
            await asyncio.sleep(0.05)
    answer = await _answered(url)
    assert answer.status_code == 200
    stop.set()
    await asyncio.wait_for(running, 60)
    await asyncio.to_thread(postgres.drop_database, name)


async def _answered(url: str) -> httpx2.Response:
    headers = {"X-API-KEY": OPERATOR}
    async with asyncio.timeout(60), httpx2.AsyncClient(base_url=url, headers=headers) as client:
        while True:
            try:
                return await client.get("/v1/workspaces")
            except httpx2.TransportError:
                await asyncio.sleep(0.05)


async def test_a_port_in_use_is_told_by_the_setting_to_change(database: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environ = {
            "HOOKSTREAM_POSTGRES_DSN": database,
            "HOOKSTREAM_CONSOLE_PORT": str(taken.getsockname()[1]),
            "HOOKSTREAM_SEAL_KEYS": SEALING,
        }
        environment = Environment(environ, SETTINGS)
        context = Context(environment, None, Health(), _NoTelemetry())  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match="HOOKSTREAM_CONSOLE_PORT"):
            await main(asyncio.Event(), context)
