"""A row of the outbox stays there until the broker has what it says (once.md 16), and what names a
webhook waits until the broker has the webhook."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg

from hookstream.embedded.ports import HOST, free_port
from hookstream.model.deliveries import first_turn
from hookstream.store.change import Change
from hookstream.store.outbox import Holder, oldest
from hookstream.store.pool import Connection
from hookstream.stream.dead import DeadLetters
from hookstream.stream.partitioning import Partitioning
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.writer import Writer
from services.status.outbox_to_topics import OutboxToTopics, Unpublished
from tests.fixtures.kafka import run_in_thread, wait_until
from tests.status.samples import event, webhook

WITHIN_S = 40


@contextmanager
def parts(kafka: KafkaSettings, dsn: str) -> Iterator[tuple[OutboxToTopics, Writer]]:
    """The outbox and its producer, whose broker is not there: what it was given is on its way, and
    nobody has it, until it is purged. Then it has failed."""
    table = Table(kafka, "tests-config")
    table.catch_up(30)
    nowhere = kafka.model_copy(update={"bootstrap_servers": f"{HOST}:{free_port()}"})
    writer = Writer(nowhere, "tests", on_fatal=print)
    there = Writer(kafka, "tests", on_fatal=print)
    dead = DeadLetters(there, table.codec, print)
    try:
        yield OutboxToTopics(dsn, table, writer, Partitioning(table, there), dead), writer
    finally:
        writer.close(1)
        there.close()
        table.close()


@contextmanager
def publishing(kafka: KafkaSettings, dsn: str) -> Iterator[Writer]:
    """The outbox publishes once; in the end it has told what was given up."""
    failed: list[str] = []
    with parts(kafka, dsn) as (outbox, writer), closing(Holder(dsn)) as holder:
        wait_until(holder.acquire, WITHIN_S)

        def publish() -> None:
            try:
                outbox.publish(holder)
            except Unpublished as error:
                failed.append(str(error))

        thread = run_in_thread(publish)
        yield writer
        thread.join(WITHIN_S)
        assert not thread.is_alive()
        assert failed == ["1 of 1 rows of the outbox were given up"]


def test_a_row_stays_while_the_broker_has_not_acknowledged_it_and_when_it_was_given_up(
    kafka: KafkaSettings, dsn: str, connection: Connection
) -> None:
    with psycopg.connect(dsn) as saving, saving.cursor() as cursor:
        Change(cursor, "test").configure(webhook())
    with publishing(kafka, dsn) as writer:
        wait_until(lambda: len(writer) == 1, WITHIN_S)
        assert [row.key for row in oldest(connection, 10)] == ["webhook/wh"]
        writer.purge()
    assert [row.key for row in oldest(connection, 10)] == ["webhook/wh"]


def test_a_verification_is_sent_after_the_broker_has_its_webhook(
    kafka: KafkaSettings, dsn: str
) -> None:
    """Whichever stands first in the outbox: a delivery before its webhook would be cancelled."""
    with psycopg.connect(dsn) as saving, saving.cursor() as cursor:
        change = Change(cursor, "test")
        change.tell("deliveries", "wh", first_turn("verify", "d1", webhook(), event(), 0, "test"))
        change.configure(webhook())
    with publishing(kafka, dsn) as writer:
        wait_until(lambda: len(writer) >= 1, WITHIN_S)
        writer.purge()
    assert writer.sent == {"config": 1}


def test_a_stop_while_the_broker_is_away_ends_the_outbox_and_its_rows_stay(
    kafka: KafkaSettings, dsn: str, connection: Connection
) -> None:
    with psycopg.connect(dsn) as saving, saving.cursor() as cursor:
        Change(cursor, "test").configure(webhook())
    stopping, ended = threading.Event(), list[str]()
    with parts(kafka, dsn) as (outbox, writer):

        def run() -> None:
            outbox.run(stopping)
            ended.append("as asked")

        thread = run_in_thread(run)
        wait_until(lambda: len(writer) == 1, WITHIN_S)
        stopping.set()
        thread.join(WITHIN_S)
        assert ended == ["as asked"]
    assert [row.key for row in oldest(connection, 10)] == ["webhook/wh"]
