"""A row of the outbox stays there until the broker has what it says (once.md 16)."""

import psycopg

from hookstream.embedded.ports import HOST, free_port
from hookstream.store.change import Change
from hookstream.store.outbox import Holder, oldest
from hookstream.store.pool import Connection
from hookstream.stream.partitioning import Partitioning
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.writer import Writer
from services.status.outbox_to_topics import OutboxToTopics
from tests.fixtures.kafka import run_in_thread, wait_until
from tests.status.samples import webhook

WITHIN_S = 40


def test_a_row_stays_while_the_broker_has_not_acknowledged_it(
    kafka: KafkaSettings, dsn: str, connection: Connection
) -> None:
    """The producer's broker is not there: what it was given is on its way, and nobody has it."""
    table = Table(kafka, "tests-config")
    table.catch_up(30)
    nowhere = kafka.model_copy(update={"bootstrap_servers": f"{HOST}:{free_port()}"})
    writer = Writer(nowhere, "tests", on_fatal=print)
    there = Writer(kafka, "tests", on_fatal=print)
    with psycopg.connect(dsn) as saving, saving.cursor() as cursor:
        Change(cursor, "test").configure(webhook())
    holder = Holder(dsn)
    wait_until(holder.acquire, WITHIN_S)
    outbox = OutboxToTopics(dsn, table, writer, Partitioning(table, there))
    publishing = run_in_thread(lambda: outbox.publish(holder))
    wait_until(lambda: len(writer) == 1, WITHIN_S)
    assert [row.key for row in oldest(connection, 10)] == ["webhook/wh"]
    writer.purge()
    publishing.join(WITHIN_S)
    holder.close()
    writer.close(1)
    there.close()
    table.close()
