"""status: starts its loops and ends them."""

import asyncio
import threading
from collections.abc import Callable

from msgspec import Struct

from hookstream.model.records import Dead, Event, Outcome
from hookstream.process.health import Health
from hookstream.process.run import Context, in_thread
from hookstream.process.streaming import Streaming
from hookstream.store.migrate import DatabaseError, migrate
from hookstream.store.pool import UNAVAILABLE
from hookstream.store.session import Session
from hookstream.store.settings import PostgresSettings
from hookstream.store.views import Views
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import DEAD, EVENTS, OUTCOMES
from services.status import metrics
from services.status.batches import Batches, Write
from services.status.dead_to_views import DeadToViews
from services.status.events_to_views import EventsToViews
from services.status.outbox_to_topics import OutboxToTopics
from services.status.outcomes_to_views import OutcomesToViews
from services.status.restored import Restored
from services.status.settings import StatusSettings
from services.status.upkeep import Upkeep, today

SETTINGS = (KafkaSettings, PostgresSettings, StatusSettings)
VIEWS: dict[str, Callable[[Views, StatusSettings], Write]] = {
    OUTCOMES: lambda views, settings: OutcomesToViews(views, settings.failing_after_s),
    EVENTS: lambda views, _: EventsToViews(views),
    DEAD: lambda views, _: DeadToViews(views),
}
KINDS: dict[str, type[Struct]] = {OUTCOMES: Outcome, EVENTS: Event, DEAD: Dead}

GATHERED = 512 * 1024
_AGAIN_S = 0.5


async def main(stop: asyncio.Event, context: Context) -> None:
    """Run until `stop`. Waits for Postgres at the start; raises what needs a new process."""
    dsn = context.environment.read(PostgresSettings).dsn.get_secret_value()
    settings = context.environment.read(StatusSettings)
    stopping = threading.Event()
    watching = asyncio.create_task(_pass_on(stop, stopping))
    await in_thread("postgres", lambda: _wait_for_postgres(dsn, stopping, context.health))
    streaming = Streaming(context, "status", {_group(topic): [topic] for topic in VIEWS})
    if await streaming.open(stop):
        streaming.table.follow()
        restored = Restored(dsn, streaming.kafka, streaming.table, context.health)
        await in_thread("restored", lambda: restored.wait(stopping))
        await _run(stop, stopping, streaming, Parts(context.health, dsn, settings, streaming))
    watching.cancel()
    await streaming.close()


async def _pass_on(stop: asyncio.Event, stopping: threading.Event) -> None:
    await stop.wait()
    stopping.set()


def _wait_for_postgres(dsn: str, stopping: threading.Event, health: Health) -> None:
    while not stopping.is_set():
        try:
            migrate(dsn)
        except (DatabaseError, *UNAVAILABLE) as error:
            health.not_ready("postgres", f"Postgres is away: {type(error).__name__}")
            stopping.wait(_AGAIN_S)
        else:
            health.ready("postgres")
            return


class Parts:
    """What works beside the loops: writers of batches, the outbox, the upkeep."""

    def __init__(
        self, health: Health, dsn: str, settings: StatusSettings, streaming: Streaming
    ) -> None:
        self._health = health
        self.outbox = OutboxToTopics(
            dsn,
            streaming.table,
            streaming.writer,
            streaming.partitioning,
            streaming.dead,
            self._told("outbox"),
            settings.compare_every_s,
        )
        self.upkeep = Upkeep(dsn, settings)
        self.batches: dict[str, Batches] = {}
        # Batches gather at the broker: one answer of half a megabyte is cheaper than fifty.
        gathering = {"fetch.min.bytes": GATHERED, "fetch.wait.max.ms": settings.linger_ms}
        for topic, make in VIEWS.items():
            views = Views(Session(dsn), settings.kept_days, today)
            self.batches[topic] = Batches(dsn, make(views, settings), settings, self._told(topic))
            streaming.loop(
                _group(topic), self.batches[topic], kind=KINDS[topic], consumer=gathering
            )

        metrics.watch(self.batches, self.upkeep)

    def _told(self, name: str) -> Callable[[str | None], None]:
        def told(reason: str | None) -> None:
            if reason is None:
                self._health.ready(name)
            else:
                self._health.not_ready(name, reason)

        return told


async def _run(
    stop: asyncio.Event, stopping: threading.Event, streaming: Streaming, parts: Parts
) -> None:
    """Until `stop`, or until one part fails, which is raised. What was read is written first."""
    running = [
        asyncio.create_task(in_thread("outbox", lambda: parts.outbox.run(stopping))),
        asyncio.create_task(in_thread("upkeep", lambda: parts.upkeep.run(stopping))),
        *(asyncio.create_task(in_thread(t, b.run)) for t, b in parts.batches.items()),
    ]
    try:
        await streaming.run(stop, *running)
    finally:
        stopping.set()
        for batches in parts.batches.values():
            batches.stop()
    await asyncio.gather(*running)


def _group(topic: str) -> str:
    return f"status.{topic}"
