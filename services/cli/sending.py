"""`hookstream sending stop|start|status`: all sending at once. Needs Kafka alone."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from hookstream.model.records import SendingNote
from hookstream.stream.open import NOT_NOW, note
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.writer import Writer
from services.cli.environment import read


@click.group()
def command() -> None:
    """Stop all sending at once, and start it again.

    Every deliverer obeys within a second: requests under way end, nothing else is sent, and what
    comes waits in Kafka. One webhook alone is stopped by pausing it (POST /v1/webhooks/ID/pause).
    """


@command.command()
@click.option("--reason", help="why; people see it at the deliverers' health pages")
def stop(reason: str | None) -> None:
    """Stop all sending."""
    _write(True, reason)
    click.echo("All sending is stopped; `hookstream sending start` ends that.")


@command.command()
def start() -> None:
    """Send again: what waited goes first."""
    _write(False, None)
    click.echo("Sending goes on.")


@command.command()
def status() -> None:
    """Say whether sending is stopped."""
    with _table() as (table, _):
        known = table.config.sending
    if known is None or not known.stopped:
        click.echo("Sending is not stopped.")
        return
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(known.since_ms / 1000))
    click.echo(
        f"All sending is stopped since {since}" + (f": {known.reason}" if known.reason else "")
    )


def _write(stopped: bool, reason: str | None) -> None:
    with _table() as (table, writer):
        since_ms = time.time_ns() // 1_000_000
        note(table, writer, SendingNote(stopped=stopped, since_ms=since_ms, reason=reason))


@contextmanager
def _table() -> Iterator[tuple[Table, Writer]]:
    kafka = read(KafkaSettings)
    table = Table(kafka, "hookstream-sending-config")
    writer = Writer(kafka, "hookstream-sending", on_fatal=_fatal, timeout_ms=15_000)
    try:
        table.catch_up(30)
        yield table, writer
    except NOT_NOW as error:
        raise click.ClickException(str(error)) from error
    finally:
        writer.close()
        table.close()


def _fatal(reason: str) -> None:
    click.echo(f"Kafka: {reason}", err=True)
