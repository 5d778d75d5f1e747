"""A holder of the outbox that stood still wakes up: what it had in hand must not stay."""

import signal
from collections.abc import Iterator

import msgspec
import psycopg

from hookstream.model.records import Webhook
from hookstream.store import outbox
from hookstream.store.change import Change
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import CONFIG
from tests.fixtures.kafka import read_all, wait_until
from tests.started import KILLED, started
from tests.status.samples import put_webhook, webhook

WITHIN_S = 60
MANY = 3_000


def versions(kafka: KafkaSettings) -> list[int]:
    """The webhook's versions in the order in which they came onto the topic."""
    found = (seen.value for seen in read_all(kafka, CONFIG))
    return [record.version for record in found if isinstance(record, Webhook)]


def save(dsn: str, numbers: Iterator[int] | range) -> None:
    """Versions of one webhook, each with its outbox row, as the console saves them."""
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        change = Change(cursor, "test")
        for version in numbers:
            last = msgspec.structs.replace(webhook(), version=version)
            change.configure(last)
        put_webhook(cursor, last)


def holders(dsn: str) -> int:
    """How many sessions hold the outbox's lock: one at most."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND granted AND datname = current_database()"
            " AND classid = %s AND objid = %s",
            divmod(outbox.LOCK, 1 << 32),
        ).fetchone()
    return int(row[0]) if row else 0


def test_an_old_holder_that_wakes_up_leaves_no_old_record(kafka: KafkaSettings, dsn: str) -> None:
    settings = {"POSTGRES_DSN": dsn, "STATUS_COMPARE_EVERY_S": "1"}
    stopped = settings | KILLED
    with started(kafka, "status", **stopped) as first:
        wait_until(lambda: holders(dsn) == 1, WITHIN_S)
        save(dsn, range(1, MANY))
        wait_until(lambda: versions(kafka), WITHIN_S)
        first.send_signal(signal.SIGSTOP)
        with started(kafka, "status", **settings):
            save(dsn, range(MANY, MANY + 1))
            wait_until(lambda: MANY in versions(kafka), WITHIN_S)
            first.send_signal(signal.SIGCONT)
            save(dsn, range(MANY + 1, MANY + 2))
            wait_until(lambda: versions(kafka)[-1] == MANY + 1, WITHIN_S)
            first.kill()
            first.wait()
            wait_until(lambda: holders(dsn) == 1, WITHIN_S)
            wait_until(lambda: versions(kafka)[-1] == MANY + 1, WITHIN_S)
