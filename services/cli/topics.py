"""`hookstream topics apply`."""

import sys

import click

from hookstream.model.records import TopicsNote
from hookstream.stream import topics
from hookstream.stream.open import NOT_NOW, announce_schemas, note
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.writer import Writer
from services.cli.environment import read
from services.cli.topics_resize import resize

DIFFERS = 3
"""The exit status when something is not as wanted."""


@click.group()
def command() -> None:
    """Our topics in Kafka."""


command.add_command(resize)


@command.command()
@click.option("--partitions", default=16, help="of events, deliveries and outcomes")
@click.option("--delayed", default=4, help="partitions of retry and its tiers")
@click.option("--replicas", default=3, help="copies of each; 1 on a single broker")
def apply(partitions: int, delayed: int, replicas: int) -> None:
    """Create what is missing, note the partitions in config, tell what differs.

    Nothing that is there is changed, so no record is ever lost. Ends with 0 if all is as wanted, 3
    if something differs (a line each), 1 if Kafka did not do it.
    """
    try:
        differing = apply_topics(read(KafkaSettings), partitions, delayed, replicas)
    except NOT_NOW as error:
        raise click.ClickException(f"Kafka did not do it: {error}") from error
    for line in differing:
        click.echo(f"differs: {line}")
    click.echo("The topics are there.")
    if differing:
        click.echo("What differs is left as it is: change it in Kafka, or what is wanted here.")
        sys.exit(DIFFERS)


def apply_topics(
    kafka: KafkaSettings, partitions: int = 16, delayed: int = 4, replicas: int = 1
) -> list[str]:
    """Topics, their noted partitions and our schemas; a line for each thing that differs."""
    differing = topics.apply(kafka, topics.topics(partitions, delayed), replicas)
    table = Table(kafka, "hookstream-topics-config")
    writer = Writer(kafka, "hookstream-topics", on_fatal=_fatal, timeout_ms=15_000)
    try:
        table.catch_up(30)
        _note_partitions(kafka, table, writer)
        announce_schemas(table, writer)
    finally:
        writer.close()
        table.close()
    return differing


def _note_partitions(kafka: KafkaSettings, table: Table, writer: Writer) -> None:
    """Note the topics that are new; a noted count is never changed here (`topics resize`)."""
    noted = table.config.topics.partitions if table.config.topics else {}
    there = topics.partition_counts(kafka).partitions
    if wanted := {name: n for name, n in there.items() if name not in noted}:
        note(table, writer, TopicsNote(partitions=noted | wanted))


def _fatal(reason: str) -> None:
    raise click.ClickException(reason)
