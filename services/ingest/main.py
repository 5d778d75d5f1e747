"""ingest: starts its server and ends it."""

import asyncio
import logging
import socket

from hookstream.process.run import Context
from hookstream.process.sealing import SealSettings
from hookstream.process.streaming import Streaming
from hookstream.process.telemetry import TelemetrySettings
from hookstream.stream.settings import KafkaSettings
from services.ingest import metrics
from services.ingest.app import App
from services.ingest.body import Bodies
from services.ingest.callbacks_to_outcomes import CallbacksToOutcomes
from services.ingest.catching_up import CatchingUp
from services.ingest.door import Door
from services.ingest.endpoint import Shared
from services.ingest.keys import Keys
from services.ingest.publish import ACK_TIMEOUT_MS, Publisher
from services.ingest.request import Answers
from services.ingest.requests_to_events import RequestsToEvents
from services.ingest.serving import BACKLOG, Server, bound
from services.ingest.settings import KIB, IngestSettings

SETTINGS = (KafkaSettings, SealSettings, IngestSettings)
"""The groups it reads."""

_SERVER = "server"
_LOOK_S = 0.5
_CATCH_UP_S = 5.0
logger = logging.getLogger(__name__)


async def main(stop: asyncio.Event, context: Context) -> None:
    """Take events until `stop`. Waits for Kafka at the start; raises what needs a new process."""
    settings = context.environment.read(IngestSettings)
    streaming = Streaming(context, "ingest", {})
    context.health.not_ready(_SERVER, "not listening yet")
    with bound(settings) as listener:
        if await streaming.open(stop, answers_here=True, ack_within_ms=ACK_TIMEOUT_MS):
            streaming.table.follow()
            await Ingest(context, settings, streaming).serve(listener, stop)
    await streaming.close()


class Ingest:
    """The service: a table of config, a producer, a server."""

    def __init__(self, context: Context, settings: IngestSettings, streaming: Streaming) -> None:
        self._settings, self._streaming = settings, streaming
        self._table, self._health = streaming.table, context.health
        ratio = context.environment.read(TelemetrySettings).sample_ratio
        codec, writer, waiting = self._table.codec, streaming.writer, settings.max_waiting
        self._publisher = Publisher(writer, codec, waiting, ratio)
        keys = context.environment.read(SealSettings).parsed()
        self._callbacks = CallbacksToOutcomes(keys, codec, streaming.partitioning, writer, waiting)

    async def serve(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Answer requests until `stop`, then those that are under way."""
        answers = Answers()
        app = self._app(answers)
        metrics.watch(app, self._publisher, self._callbacks)
        listener.listen(BACKLOG)  # so that none is refused once health says ready
        self._health.ready(_SERVER)
        server = Server(app, answers, self._settings.body_timeout_s)
        serving = asyncio.create_task(server.serve(listener))
        watching = asyncio.create_task(self._watch())
        host, port = listener.getsockname()[:2]
        logger.info("taking events", extra={"fields": {"host": host, "port": port}})
        try:
            await self._streaming.run(stop, serving, watching)
        finally:
            server.stop()
            watching.cancel()
            await serving

    def _app(self, answers: Answers) -> App:
        known, settings = self._table.config, self._settings
        catching_up = CatchingUp(lambda: self._table.catch_up(_CATCH_UP_S))
        shared = Shared(answers, Bodies(settings.max_held_mb * KIB * KIB), catching_up, set())
        door = Door(known, settings.max_data_bytes)
        events = RequestsToEvents(settings, Keys(known), door, catching_up, self._publisher)
        return App(shared, events.endpoints(shared), self._callbacks.endpoint(shared))

    async def _watch(self) -> None:
        """Not ready while more waits for Kafka than half of what may."""
        while True:
            waiting = len(self._publisher)
            if waiting * 2 > self._settings.max_waiting:
                self._health.not_ready("kafka", f"{waiting} events wait for Kafka")
            else:
                self._health.ready("kafka")
            await asyncio.sleep(_LOOK_S)
