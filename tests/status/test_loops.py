"""status on a real broker and a real PostgreSQL: every record once, whoever goes away."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg
from confluent_kafka import Producer
from msgspec import Struct

from hookstream.embedded.postgres import EmbeddedPostgres
from hookstream.model.records import Dead, Event, Outcome, Result, Webhook
from hookstream.process.health import Health
from hookstream.process.logs import Logs
from hookstream.process.run import Context
from hookstream.process.settings import Environment
from hookstream.process.telemetry import TelemetrySettings, make
from hookstream.store import outbox
from hookstream.stream.codec import Codec
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from services.status.main import SETTINGS, main
from services.status.upkeep import today
from tests.fixtures.kafka import read_all
from tests.status.samples import event, outcome, put_webhook, webhook

WITHIN_S = 90.0
IDEMPOTENT = {"enable.idempotence": True}
"""A producer that tries again writes nothing twice."""


class Door:
    """Produces records as the other services do."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka, self._codec = kafka, Codec()
        self._producer = Producer(kafka.client("door") | IDEMPOTENT)

    def put(self, topic: str, key: str, record: Struct) -> None:
        self._producer.produce(self._kafka.topic(topic), self._codec.encode(record), key)
        self._producer.poll(0)

    def flushed(self) -> bool:
        """Whether Kafka has all of it."""
        return self._producer.flush(60) == 0

    def sent(self, first: int, last: int) -> None:
        """Events and their outcomes."""
        now_ms = time.time_ns() // 1_000_000
        for n in range(first, last):
            self.put("events", f"e{n}", event(id=f"e{n}"))
            record = outcome(delivery=f"d{n}", event=f"e{n}", logged_at_ms=now_ms)
            self.put("outcomes", f"lane{n % 7}", record)
        assert self.flushed()


class Remembering(Health):
    """Knows what has ever been not ready."""

    def __init__(self) -> None:
        super().__init__()
        self.told: set[str] = set()

    def not_ready(self, name: str, reason: str) -> None:
        self.told.add(name)
        super().not_ready(name, reason)


def counts(dsn: str) -> tuple[int, ...]:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM deliveries),"
            " (SELECT count(*) FROM attempts), (SELECT count(*) FROM dead),"
            " (SELECT coalesce(sum(repeats), 0) FROM events)"
        ).fetchone()
    assert row is not None
    return tuple(map(int, row))


def ask(dsn: str, question: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return int(row[0])


async def wait_until(condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    ends_at = time.monotonic() + within_s
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < ends_at, "waited in vain"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def running(
    kafka: KafkaSettings, dsn: str, health: Health | None = None
) -> AsyncIterator[None]:
    """status, until the block ends; raises what it raised."""
    environ = {
        "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HOOKSTREAM_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
        "HOOKSTREAM_KAFKA_GROUP_PREFIX": kafka.group_prefix,
        "HOOKSTREAM_POSTGRES_DSN": dsn,
        "HOOKSTREAM_STATUS_LINGER_MS": "20",
    }
    settings = TelemetrySettings()
    context = Context(
        Environment(environ, SETTINGS),
        Logs("status"),
        health or Health(),
        make("status", "0", settings),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(main(stop, context))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)
        context.telemetry.shutdown()
        context.logs.close()


async def test_records_become_rows_and_a_restart_adds_none(kafka: KafkaSettings, dsn: str) -> None:
    door = Door(kafka)
    door.sent(0, 300)
    dead = Dead(topic="events", partition=0, offset=1, reason="x", detail="y", at_ms=1)
    door.put("dead", "events", dead)
    door.put("dead", "events", dead)
    async with running(kafka, dsn):
        await wait_until(lambda: counts(dsn) == (300, 300, 300, 1, 0))
    door.sent(300, 400)
    async with running(kafka, dsn):
        await wait_until(lambda: counts(dsn) == (400, 400, 400, 1, 0))


async def test_postgres_away_loses_nothing_and_work_goes_on_by_itself(
    kafka: KafkaSettings, dsn: str, postgres: EmbeddedPostgres
) -> None:
    door, health = Door(kafka), Health()
    async with running(kafka, dsn, health):
        door.sent(0, 200)
        await wait_until(lambda: counts(dsn)[:3] == (200, 200, 200))
        try:
            await asyncio.to_thread(postgres.stop)
            door.sent(200, 3000)
            await wait_until(lambda: {"outcomes", "events"} <= set(health.waiting()))
        finally:
            await asyncio.to_thread(postgres.start)
        await wait_until(lambda: counts(dsn) == (3000, 3000, 3000, 0, 0))
        await wait_until(lambda: not health.waiting())


async def test_a_batch_that_deadlocks_is_written_again_and_postgres_is_not_called_away(
    kafka: KafkaSettings, dsn: str
) -> None:
    """Somebody who maintains tables by hand locks two of them the other way round.

    Who waits looks for a deadlock once. So the batch is held up till the other one waits for it,
    and begins to wait last.
    """
    door, health = Door(kafka), Remembering()
    async with running(kafka, dsn, health):
        door.sent(0, 1)
        await wait_until(lambda: counts(dsn)[2] == 1)
        with by_hand(dsn) as holding, by_hand(dsn) as other:
            holding.execute(f"LOCK TABLE attempts_{today():%Y%m%d} IN SHARE MODE".encode())
            other.execute("LOCK TABLE deliveries")
            door.sent(1, 100)
            await wait_until(lambda: ask(dsn, waits_holding("attempts")) == 1)
            locking = asyncio.to_thread(other.execute, "LOCK TABLE attempts")
            locked = asyncio.create_task(locking)
            await wait_until(lambda: ask(dsn, waits_holding("deliveries")) == 1)
            holding.rollback()
            await locked
        await wait_until(lambda: counts(dsn)[:3] == (100, 100, 100))
    assert "outcomes" not in health.told


def by_hand(dsn: str) -> psycopg.Connection:
    """Somebody who does not look for deadlocks."""
    return psycopg.connect(dsn, options="-c deadlock_timeout=600s")


def waits_holding(table: str) -> str:
    """How many wait for a lock while they hold one to write to this table."""
    return (
        "SELECT count(*) FROM pg_locks AS waits JOIN pg_locks AS holds USING (pid)"
        " WHERE NOT waits.granted AND holds.granted"
        f" AND holds.relation = '{table}'::regclass AND holds.mode ~ 'Exclusive'"
    )


async def test_it_starts_while_postgres_is_away_and_waits_for_it(
    kafka: KafkaSettings, dsn: str, postgres: EmbeddedPostgres
) -> None:
    Door(kafka).sent(0, 10)
    health = Health()
    await asyncio.to_thread(postgres.stop)
    try:
        async with running(kafka, dsn, health):
            await wait_until(lambda: "postgres" in health.waiting())
            await asyncio.to_thread(postgres.start)
            await wait_until(lambda: counts(dsn)[:3] == (10, 10, 10))
    finally:
        if not postgres.pids():
            await asyncio.to_thread(postgres.start)


async def test_the_fifth_failure_while_it_was_down_disables_once_and_only_that_version(
    kafka: KafkaSettings, dsn: str
) -> None:
    door = Door(kafka)
    with psycopg.connect(dsn) as connection:
        put_webhook(connection, webhook(id="failed"))
        put_webhook(connection, webhook(id="edited", name="edited", version=2))
    now_ms = time.time_ns() // 1_000_000
    for name in ("failed", "edited"):
        for turn in range(1, 5):
            door.put("outcomes", name, _of(name, "retrying", turn, now_ms))
        door.put("outcomes", name, _of(name, "failed", 5, now_ms, reason="exhausted"))
    assert door.flushed()
    for _ in range(2):
        async with running(kafka, dsn):
            await wait_until(lambda: counts(dsn)[1:3] == (2, 10))
            await wait_until(lambda: _disabled(kafka) == {("failed", 2)})
            await wait_until(lambda: bool(_events(kafka)))
    assert _disabled(kafka) == {("failed", 2)}
    assert [type_ for type_, _ in _events(kafka)] == ["webhook.disabled"]


def _of(name: str, result: Result, turn: int, now_ms: int, reason: str | None = None) -> Outcome:
    return outcome(
        result, delivery=f"d-{name}", webhook=name, lane=name, event=f"e-{name}", turn=turn,
        attempt_number=turn, reason=reason, logged_at_ms=now_ms, ended_at_ms=now_ms + turn,
    )  # fmt: skip


def _disabled(kafka: KafkaSettings) -> set[tuple[str, int]]:
    """(webhook, version) of what disables one; each may be on its topic more than once."""
    found = (seen.value for seen in read_all(kafka, "config"))
    return {(w.id, w.version) for w in found if isinstance(w, Webhook) and w.state == "disabled"}


def _events(kafka: KafkaSettings) -> set[tuple[str, str]]:
    """(type, id) of the events; each may be on its topic more than once."""
    found = (seen.value for seen in read_all(kafka, "events"))
    return {(e.type, e.id) for e in found if isinstance(e, Event)}


async def test_partitions_move_between_two_and_every_row_is_there_once(
    kafka: KafkaSettings, dsn: str
) -> None:
    door = Door(kafka)
    async with running(kafka, dsn):
        await asyncio.to_thread(door.sent, 0, 2000)
        async with running(kafka, dsn):
            await asyncio.to_thread(door.sent, 2000, 6000)
        await asyncio.to_thread(door.sent, 6000, 7000)
        await wait_until(lambda: counts(dsn) == (7000, 7000, 7000, 0, 0))


async def test_an_undecodable_record_is_a_dead_letter_and_its_partition_goes_on(
    kafka: KafkaSettings, dsn: str
) -> None:
    door = Door(kafka)
    producer = Producer(kafka.client("poison") | IDEMPOTENT)
    producer.produce(kafka.topic("outcomes"), b"\xff\xff", "lane1")
    assert producer.flush(60) == 0
    door.sent(0, 50)
    async with running(kafka, dsn):
        await wait_until(lambda: counts(dsn) == (50, 50, 50, 1, 0))


async def test_changes_are_on_the_topic_soon_in_order_and_leave_the_outbox(
    kafka: KafkaSettings, dsn: str
) -> None:
    table = Table(kafka, "test")
    async with running(kafka, dsn):
        with psycopg.connect(dsn, autocommit=True) as connection:
            put_webhook(connection, webhook())
            for version in range(1, 1001):
                with connection.transaction(), connection.cursor() as cursor:
                    record = webhook(version=version)
                    put_webhook(cursor, record)
                    outbox.put(cursor, "config", "webhook/wh", record)
            await wait_until(lambda: outbox.oldest(connection, 1) == [])
        table.catch_up()
        assert table.config.webhooks["wh"].version == 1000
    table.close()


async def test_a_delete_that_hits_nothing_publishes_what_is_valid_again(
    kafka: KafkaSettings, dsn: str
) -> None:
    table = Table(kafka, "test")
    with psycopg.connect(dsn, autocommit=True) as connection:
        put_webhook(connection, webhook(version=9))
        connection.execute(
            "CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            "CREATE TRIGGER gone BEFORE DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION gone()"
        )
        with connection.cursor() as cursor:
            outbox.put(cursor, "config", "webhook/wh", webhook(version=3))

        def valid() -> bool:
            table.catch_up()
            found = table.config.webhooks.get("wh")
            return found is not None and found.version == 9

        async with running(kafka, dsn):
            await wait_until(valid)
            connection.execute("DROP TRIGGER gone ON outbox")
    table.close()


async def test_nothing_is_published_while_the_topic_knows_more(
    kafka: KafkaSettings, dsn: str
) -> None:
    door, health = Door(kafka), Health()
    door.put("config", "webhook/wh", webhook(version=8))
    door.sent(0, 1)
    with psycopg.connect(dsn, autocommit=True) as connection:
        put_webhook(connection, webhook(version=2))
        with connection.cursor() as cursor:
            outbox.put(cursor, "config", "webhook/wh", webhook(version=2))
        async with running(kafka, dsn, health):
            await wait_until(lambda: "hookstream restore" in health.waiting().get("outbox", ""))
            await wait_until(lambda: counts(dsn)[:2] == (1, 1))
            assert len(outbox.oldest(connection, 10)) == 1


async def test_what_was_lost_on_the_topic_is_published_again(
    kafka: KafkaSettings, dsn: str
) -> None:
    table = Table(kafka, "test")
    with psycopg.connect(dsn, autocommit=True) as connection:
        put_webhook(connection, webhook(version=5))

    def there() -> bool:
        table.catch_up()
        return "wh" in table.config.webhooks

    async with running(kafka, dsn):
        await wait_until(there)
    assert table.config.webhooks["wh"].version == 5
    table.close()
