"""ingest: starts its server and ends it."""

import asyncio
import gc
import logging
import socket
from typing import Any

from hookstream.process.run import Context, in_thread
from hookstream.process.telemetry import TelemetrySettings
from hookstream.stream.open import NotReady, announce_schemas, check_partitions
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import ConfigUnreachable, Table
from hookstream.stream.writer import Writer
from services.ingest import metrics
from services.ingest.app import App
from services.ingest.body import Bodies
from services.ingest.catching_up import CatchingUp
from services.ingest.door import Door
from services.ingest.keys import Keys
from services.ingest.publish import ACK_TIMEOUT_MS, Publisher, handing_over
from services.ingest.requests_to_events import RequestsToEvents
from services.ingest.serving import BACKLOG, Server, bound, config
from services.ingest.settings import KIB, IngestSettings

SETTINGS = (KafkaSettings, IngestSettings)
"""The groups it reads."""

_AGAIN_S = 2.0
_LOOK_S = 0.5
_CATCH_UP_S = 5.0
logger = logging.getLogger(__name__)


async def main(stop: asyncio.Event, context: Context) -> None:
    """Take events until `stop`. Waits for Kafka at the start; raises what needs a new process."""
    ingest = Ingest(context)
    stopping = asyncio.create_task(stop.wait())
    try:
        with bound(ingest.settings) as listener:
            opening = asyncio.create_task(ingest.open())
            await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
            opening.cancel()
            if not stopping.done():
                opening.result()
                await ingest.serve(listener, stopping)
    finally:
        stopping.cancel()
        await in_thread("end", ingest.close)


class Ingest:
    """The service: a table of config, a producer, a server."""

    def __init__(self, context: Context) -> None:
        read, self._loop = context.environment.read, asyncio.get_running_loop()
        self.settings, self._kafka = read(IngestSettings), read(KafkaSettings)
        self._health = context.health
        self._fatal: asyncio.Future[str] = self._loop.create_future()
        self._table = Table(self._kafka, "hookstream-ingest-config")
        self._writer = Writer(
            self._kafka,
            "hookstream-ingest",
            on_fatal=self._failed_in_thread,
            dispatch=handing_over(self._loop),
            timeout_ms=ACK_TIMEOUT_MS,
        )
        ratio, waiting = read(TelemetrySettings).sample_ratio, self.settings.max_waiting
        self._publisher = Publisher(self._writer, self._table.codec, waiting, ratio)

    def _failed_in_thread(self, why: str) -> None:
        self._loop.call_soon_threadsafe(self._fail, why)

    def _fail(self, why: str) -> None:
        if not self._fatal.done():
            self._fatal.set_result(why)

    async def open(self) -> None:
        """Return once config is read and Kafka is as it should be; until then health says why."""
        while (reason := await in_thread("open", self._try_to_open)) is not None:
            logger.warning("not ready: %s", reason)
            self._health.not_ready("kafka", reason)
            await asyncio.sleep(_AGAIN_S)
        self._health.ready("kafka")
        self._table.follow()

    def _try_to_open(self) -> str | None:
        try:
            self._table.catch_up()
            check_partitions(self._kafka, self._table.config.topics)
            announce_schemas(self._table, self._writer)
        except (NotReady, ConfigUnreachable) as error:
            return str(error)
        return None

    async def serve(self, listener: socket.socket, stopping: "asyncio.Task[bool]") -> None:
        """Answer requests until `stopping` is done, then those that are under way."""
        app = self._app()
        metrics.observe(app, self._publisher)
        listener.listen(BACKLOG)  # so that none is refused once health says ready
        server = Server(config(app))
        serving = asyncio.create_task(server.serve([listener]))
        watching = asyncio.create_task(self._watch())
        host, port = listener.getsockname()[:2]
        logger.info("taking events", extra={"fields": {"host": host, "port": port}})
        self._health.started()
        _collect_rarely()
        ends: set[asyncio.Future[Any]] = {serving, stopping, watching, self._fatal}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        watching.cancel()
        await serving
        if self._fatal.done():
            raise RuntimeError(self._fatal.result())

    def _app(self) -> App:
        known, settings = self._table.config, self.settings
        catching_up = CatchingUp(lambda: self._table.catch_up(_CATCH_UP_S))
        return App(
            RequestsToEvents(
                settings,
                Keys(known, catching_up),
                Bodies(settings.max_held_mb * KIB * KIB, settings.body_timeout_s),
                Door(known, settings.max_data_bytes),
                catching_up,
                self._publisher,
            )
        )

    async def _watch(self) -> None:
        """Not ready while more waits for Kafka than half of what may."""
        while True:
            waiting = len(self._publisher)
            if waiting * 2 > self.settings.max_waiting:
                self._health.not_ready("kafka", f"{waiting} events wait for Kafka")
            else:
                self._health.ready("kafka")
            await asyncio.sleep(_LOOK_S)

    def close(self) -> None:
        """After `serve`: hand over what is acknowledged, end the threads."""
        self._writer.close()
        self._table.close()


def _collect_rarely() -> None:
    """A fifth of a request's cost is the collector's otherwise: there is nothing cyclic to find."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
