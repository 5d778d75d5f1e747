"""status: starts its loops and ends them."""

import asyncio
import threading
from collections.abc import Callable

from hookstream.process.health import Health
from hookstream.process.run import Context, in_thread
from hookstream.store.migrate import migrate
from hookstream.store.pool import UNAVAILABLE
from hookstream.store.session import Session
from hookstream.store.settings import PostgresSettings
from hookstream.store.views import Views
from hookstream.stream.dead import DeadLetters, Decoder
from hookstream.stream.loop import Loop
from hookstream.stream.open import announce_schemas, check_partitions, join_group
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.topics import DEAD, EVENTS, OUTCOMES
from hookstream.stream.writer import Writer
from services.status.batches import Batches, Write
from services.status.dead_to_views import DeadToViews
from services.status.events_to_views import EventsToViews
from services.status.outbox_to_topics import OutboxToTopics
from services.status.outcomes_to_views import OutcomesToViews
from services.status.settings import StatusSettings
from services.status.upkeep import Upkeep, today

SETTINGS = (KafkaSettings, PostgresSettings, StatusSettings)
VIEWS: dict[str, Callable[[Views], Write]] = {
    OUTCOMES: OutcomesToViews,
    EVENTS: EventsToViews,
    DEAD: DeadToViews,
}

_AGAIN_S = 0.5


async def main(stop: asyncio.Event, context: Context) -> None:
    """Run until `stop`. Waits for Postgres at the start; raises what needs a new process."""
    stopping = threading.Event()
    kafka = context.environment.read(KafkaSettings)
    dsn = context.environment.read(PostgresSettings).dsn.get_secret_value()
    settings = context.environment.read(StatusSettings)
    waiting = asyncio.create_task(stop.wait())
    waiting.add_done_callback(lambda _: stopping.set())
    await in_thread("postgres", lambda: _wait_for_postgres(dsn, stopping, context.health))
    if stopping.is_set():
        return
    status = await in_thread("start", lambda: Status(kafka, dsn, settings, context.health))
    context.health.started()
    try:
        await status.run(waiting, stopping)
    finally:
        await in_thread("end", status.close)


def _wait_for_postgres(dsn: str, stopping: threading.Event, health: Health) -> None:
    while not stopping.is_set():
        try:
            migrate(dsn)
        except UNAVAILABLE as error:
            health.not_ready("postgres", f"Postgres is away: {type(error).__name__}")
            stopping.wait(_AGAIN_S)
        else:
            health.ready("postgres")
            return


class Status:
    """The loops of status, made but not yet running."""

    def __init__(
        self, kafka: KafkaSettings, dsn: str, settings: StatusSettings, health: Health
    ) -> None:
        self._health = health
        self._fatal: list[str] = []
        self._table = Table(kafka, "hookstream-status-config")
        self._table.catch_up()
        check_partitions(kafka, self._table.config.topics)
        self._writer = Writer(kafka, "hookstream-status", on_fatal=self._fatal.append)
        announce_schemas(self._table, self._writer)
        self._dead = DeadLetters(self._writer, self._table.codec, lambda _: None)
        self._outbox = OutboxToTopics(dsn, self._table, self._writer, self._told("outbox"))
        self._upkeep = Upkeep(dsn, settings)
        self._loops = {topic: self._loop(kafka, dsn, settings, topic) for topic in VIEWS}

    def _loop(
        self, kafka: KafkaSettings, dsn: str, settings: StatusSettings, topic: str
    ) -> tuple[Loop, Batches]:
        join_group(kafka, self._table, self._writer, f"status.{topic}", topic)
        views = Views(Session(dsn), settings.kept_days, today)
        batches = Batches(dsn, VIEWS[topic](views), settings, self._told(topic))
        decoder = Decoder(self._table.codec, self._dead, self._table.catch_up)
        return Loop(kafka, f"status.{topic}", [topic], batches, decoder=decoder), batches

    def _told(self, name: str) -> Callable[[str | None], None]:
        def told(reason: str | None) -> None:
            if reason is None:
                self._health.ready(name)
            else:
                self._health.not_ready(name, reason)

        return told

    async def run(self, stop: "asyncio.Task[bool]", stopping: threading.Event) -> None:
        """Until `stop`, or until one of the loops fails, which is raised."""
        running = [
            asyncio.create_task(in_thread("outbox", lambda: self._outbox.run(stopping))),
            asyncio.create_task(in_thread("upkeep", lambda: self._upkeep.run(stopping))),
            *(asyncio.create_task(in_thread(t, lo.run)) for t, (lo, _) in self._loops.items()),
            *(asyncio.create_task(in_thread(t, b.run)) for t, (_, b) in self._loops.items()),
        ]
        await asyncio.wait([stop, *running], return_when=asyncio.FIRST_COMPLETED)
        stopping.set()
        ended_early = [task for task in running if task.done()]
        for loop, _ in self._loops.values():
            loop.stop()
        await asyncio.wait(running[2 : 2 + len(self._loops)])
        for _, batches in self._loops.values():
            batches.stop()
        await asyncio.wait(running)
        for task in ended_early or running:
            task.result()

    def close(self) -> None:
        """After `run`."""
        self._writer.close()
        self._table.close()
