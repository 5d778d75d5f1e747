"""The console: management API and pages over PostgreSQL. Never touches Kafka."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn

from hookstream.process.run import Context
from hookstream.process.sealing import SealSettings
from hookstream.process.settings import SettingsError
from hookstream.store.migrate import DatabaseError, migrate
from hookstream.store.pool import open_pool
from hookstream.store.published import Published
from hookstream.store.settings import PostgresSettings
from services.console.app import build
from services.console.context import Console
from services.console.settings import ConsoleSettings, PublishedSettings

SETTINGS = (ConsoleSettings, PublishedSettings, SealSettings, PostgresSettings)
"""The groups it reads."""

logger = logging.getLogger(__name__)

_AGAIN_S = 1.0
_DATABASE = "database"
_IDLE_S = 75
"""How long a connection may be kept open between requests: longer than load balancers keep it."""


class _Server(uvicorn.Server):
    """uvicorn without its signals: ours stop the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def main(stop: asyncio.Event, context: Context) -> None:
    """Serve until `stop` is set. The database may come later, and may go and come back."""
    read = context.environment.read
    settings = read(ConsoleSettings)
    context.health.not_ready(_DATABASE, "does not answer yet")
    listening = _listening(settings)
    groups = read(SealSettings), read(PostgresSettings), read(PublishedSettings)
    async with open_console(settings, *groups) as console:
        server = _Server(_config(console))
        serving = asyncio.create_task(server.serve([listening]))
        watching = asyncio.create_task(_tell_ready(console, context))
        stopping = asyncio.create_task(stop.wait())
        context.health.started()
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        for task in (watching, stopping):
            task.cancel()


@asynccontextmanager
async def open_console(
    settings: ConsoleSettings,
    seal: SealSettings,
    postgres: PostgresSettings,
    egress: PublishedSettings | None = None,
) -> AsyncIterator[Console]:
    """All that the application works with, without a server; migrates in the background."""
    dsn = postgres.dsn.get_secret_value()
    pool = open_pool(postgres)
    console = Console(settings, pool, seal.parsed(), Published(dsn), egress or PublishedSettings())
    tasks = [
        asyncio.create_task(_migrated(console, dsn)),
        asyncio.create_task(console.published.run()),
    ]
    try:
        yield console
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(pool.close)


async def _migrated(console: Console, dsn: str) -> None:
    while not console.ready.is_set():
        try:
            await asyncio.to_thread(migrate, dsn)
            console.ready.set()
        except DatabaseError as error:
            logger.warning("waiting for the database: %s", type(error).__name__)
            await asyncio.sleep(_AGAIN_S)


async def _tell_ready(console: Console, context: Context) -> None:
    await console.ready.wait()
    context.health.ready(_DATABASE)


def _listening(settings: ConsoleSettings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        problem = f"HOOKSTREAM_CONSOLE_PORT: {place} cannot be used ({error.strerror})"
        raise SettingsError([problem]) from error


def _config(console: Console) -> uvicorn.Config:
    return uvicorn.Config(
        build(console),
        http="httptools",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=10,
    )
