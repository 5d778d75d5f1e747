"""`hookstream topics resize`: more partitions for deliveries and outcomes, while all runs."""

import sys
import time

import click

from hookstream.stream.open import NOT_NOW
from hookstream.stream.resize import CannotResize, Resize
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.writer import Writer
from services.cli.environment import read


@click.command()
@click.option("--partitions", type=click.IntRange(1, 4096), help="of deliveries and outcomes")
@click.option("--events", type=click.IntRange(1, 4096), help="of events, if they shall grow too")
@click.option("--within", default=600.0, help="seconds to drain; after them the old number goes on")
@click.option("--abort", is_flag=True, help="end a resize that was begun")
def resize(partitions: int | None, events: int | None, within: float, abort: bool) -> None:
    """Raise the partitions of deliveries and outcomes to a multiple of what they are.

    Services go on running: events are taken, requests under way end, new deliveries wait until
    the topics have grown. Killed at any moment it goes on when it is run again.
    """
    if abort == (partitions is not None):
        raise click.UsageError("give --partitions, or --abort")
    kafka = read(KafkaSettings)
    table = Table(kafka, "hookstream-resize-config")
    writer = Writer(kafka, "hookstream-resize", on_fatal=_fatal, timeout_ms=15_000)
    run = Resize(kafka, table, writer, _tell)
    try:
        if partitions is None:
            run.abort()
        else:
            run.run(partitions, events, within)
    except (CannotResize, *NOT_NOW) as error:
        raise click.ClickException(str(error)) from error
    finally:
        writer.close()
        table.close()


def _tell(line: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {line}")
    sys.stdout.flush()


def _fatal(reason: str) -> None:
    click.echo(f"Kafka: {reason}", err=True)
