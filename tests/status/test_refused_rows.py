"""A row of the outbox that Kafka refuses for its own sake is a dead letter before it goes."""

import os

import psycopg

from hookstream.model.deliveries import first_turn
from hookstream.model.records import Dead
from hookstream.store.change import Change
from hookstream.store.outbox import Holder, oldest
from hookstream.store.pool import Connection
from hookstream.stream.dead import DeadLetters
from hookstream.stream.partitioning import Partitioning
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.topics import DEAD, DELIVERIES
from hookstream.stream.writer import Writer
from services.status.outbox_to_topics import OutboxToTopics
from tests.fixtures.kafka import read_all, wait_until
from tests.fixtures.taking_less import PROBE, take_less
from tests.status.samples import event, webhook

WITHIN_S = 40
TAKEN, LARGE = 400_000, 500_000
"""What the topic takes is more than a batch of the producer's: else small ones are refused too."""


def test_a_delivery_that_is_too_large_for_its_topic_is_dead_with_why_and_the_rest_is_sent(
    kafka: KafkaSettings, dsn: str, connection: Connection
) -> None:
    take_less(kafka, DELIVERIES, TAKEN)
    with psycopg.connect(dsn) as saving, saving.cursor() as cursor:
        change = Change(cursor, "test")
        for id_, size in (("d1", LARGE), ("d2", 10)):
            turn = first_turn("replay", id_, webhook(), event(data=os.urandom(size)), 0, "test")
            change.tell("deliveries", "wh", turn)
    first = oldest(connection, 10)[0].id
    table, writer = Table(kafka, "tests-config"), Writer(kafka, "tests", on_fatal=print)
    table.catch_up(30)
    dead = DeadLetters(writer, table.codec, print)
    outbox = OutboxToTopics(dsn, table, writer, Partitioning(table, writer), dead)
    holder = Holder(dsn)
    wait_until(holder.acquire, WITHIN_S)
    outbox.publish(holder)
    holder.close()
    found = [seen.value for seen in read_all(kafka, DEAD)]
    assert writer.close(WITHIN_S)
    table.close()
    [letter] = [value for value in found if isinstance(value, Dead)]
    assert (letter.topic, letter.offset, letter.reason) == ("outbox", first, "too_large")
    assert (letter.workspace, letter.event, letter.key) == ("ws", "evt_1", b"wh")
    assert "deliveries" in letter.detail
    sent = [seen for seen in read_all(kafka, DELIVERIES) if seen.key != PROBE]
    assert [seen.headers["delivery"] for seen in sent] == [b"d2"]
    assert oldest(connection, 10) == []
