"""`hookstream restore`: Postgres was lost; configuration and log come back from Kafka.

Idempotent: what is there in a higher version, and what has been read, stays. docs/recovery.md says
what comes back and what does not.
"""

import time
from collections import Counter
from contextlib import closing

import click
from msgspec import Struct

from hookstream.store import offsets
from hookstream.store.migrate import DatabaseError, migrate
from hookstream.store.pool import UNAVAILABLE
from hookstream.store.restoring import restore
from hookstream.store.session import Session
from hookstream.store.settings import PostgresSettings
from hookstream.stream.bounds import bounds
from hookstream.stream.groups import committed
from hookstream.stream.open import NOT_NOW
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.topics import DEAD, EVENTS, OUTCOMES
from services.cli.environment import read

_LOOK_S = 0.5
Spans = dict[offsets.Partition, tuple[int, int]]


@click.command()
@click.option("--wait", default=0.0, help="seconds to wait until status has filled in the log")
def command(wait: float) -> None:
    """Refill a lost or older Postgres from Kafka: configuration now, the log by status.

    Run it while status and console are stopped, or wait for it; then nothing is sent twice.
    """
    dsn = read(PostgresSettings).dsn.get_secret_value()
    try:
        told, missing = restore_all(read(KafkaSettings), dsn)
        click.echo("configuration: " + ", ".join(f"{n} {what}" for what, n in told.items() if n))
        click.echo(f"log: status fills in {missing:,} records, and acts on nothing until then")
        if wait:
            until_filled(dsn, wait)
            click.echo("log: filled in")
    except (DatabaseError, *UNAVAILABLE, *NOT_NOW) as error:
        raise click.ClickException(str(error)) from error


def restore_all(kafka: KafkaSettings, dsn: str) -> tuple[Counter[str], int]:
    """Write what Kafka knows and Postgres does not: rows by table, and records of the log that
    status is to fill in. In one transaction."""
    migrate(dsn)
    with closing(Table(kafka, "hookstream-restore-config")) as table, closing(Session(dsn)) as db:
        table.catch_up(60)
        records: list[Struct] = list(table.config.records.values())
        spans = _spans(kafka, table)
        with db.transaction() as cursor:
            told = restore(cursor, records)
            offsets.rewind(cursor, spans)
            return told, offsets.unfilled(cursor)


def _spans(kafka: KafkaSettings, table: Table) -> Spans:
    """By partition: where its log begins, and up to where status had read and acted."""
    spans: Spans = {}
    for topic in (OUTCOMES, EVENTS, DEAD):
        group = table.config.groups.get(f"status.{topic}")
        count = group.partitions[topic] if group else 0
        at = committed(kafka, f"status.{topic}", topic, count) if count else {}
        for partition, bound in bounds(kafka, topic, count).items() if count else ():
            read_to = at.get(partition)
            if read_to is not None:
                spans[topic, partition] = bound.start, max(bound.start, read_to.offset)
    return spans


def until_filled(dsn: str, within_s: float) -> None:
    """Return when status has filled in the log. Raises `ClickException` when time is over."""
    deadline = time.monotonic() + within_s
    with closing(Session(dsn)) as db:
        while True:
            with db.transaction() as cursor:
                left = offsets.unfilled(cursor)
            if not left:
                return
            if time.monotonic() > deadline:
                raise click.ClickException(
                    f"{left:,} records are still missing: is status running?"
                )
            time.sleep(_LOOK_S)
