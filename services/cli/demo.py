"""`hookstream demo`: events through both doors to receivers that fail, and what arrived."""

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep

import click

from hookstream.model.records import Event
from services.cli.api import Api
from services.cli.brokers import without_ours
from services.cli.demo_check import Result, arrived, results
from services.cli.demo_events import events
from services.cli.demo_send import send
from services.cli.demo_webhooks import Hook, create, expected, hooks
from services.cli.entrance import open_entrance
from services.cli.environment import read
from services.cli.percentiles import percentile
from services.cli.ports import fixed
from services.cli.progress import Progress
from services.cli.receiving import Receiving
from services.cli.settings import UpSettings
from services.cli.system import System
from services.cli.up import explained, stay, welcome

SHIFT = 100
"""Added to all ports of `up`, so that both run side by side."""
RECEIVER_PORT = 8909
WITHIN_S = 60.0
_AFTER_S = 1.0
"""How long one looks for requests that should not come."""
_LOOK_S = 0.1


@click.command()
@click.option(
    "--events",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='JSON lines {"type": …, "data": …}; ours if absent',
)
@click.option("--keep", is_flag=True, help="stay up afterwards, until Ctrl-C")
def command(file: Path | None, keep: bool) -> None:
    """Start everything, send events to six webhooks, and check the receiver's own record.

    Exit status 0 only if exactly what was sent has arrived.
    """
    settings = read(UpSettings)
    environ = without_ours() | {"HOOKSTREAM_CONSOLE_PUBLISH_WAIT_S": "25"}
    system = System(
        settings.data_dir / "demo", fixed(settings, SHIFT), environ=environ, tell=click.echo
    )
    good = False
    with explained(), Receiving(RECEIVER_PORT) as receiver, system:
        good = run(system, receiver, file)
        if keep:
            stay(system)
    sys.exit(0 if good else 1)


def run(system: System, receiver: Receiving, file: Path | None) -> bool:
    """The demo on a started system; whether all is as it should be."""
    name = f"demo-{secrets.token_hex(4)}"
    entrance = open_entrance(system, name)
    click.echo(welcome(system, entrance))
    sent = events(name, name.replace("-", "_"), file)
    wanted = hooks(sent)
    with Api(system.ports.console_url, entrance.key) as api:
        create(api, wanted, receiver.url, name)
    click.echo(f"{len(sent)} events go to {len(wanted)} webhooks, half by HTTP, half by Kafka")
    with Api(system.ports.ingest_url, entrance.key) as api:
        times = send(api, system.kafka, sent)
    _wait(receiver, wanted, sent, name)
    found = results(wanted, sent, times, receiver.record(), name)
    return told(found)


def _wait(receiver: Receiving, wanted: Sequence[Hook], sent: Sequence[Event], run: str) -> None:
    """Until all has arrived or time is up; then a moment for what should not come."""
    total = sum(len(expected(hook, sent)) for hook in wanted)
    progress = Progress(total, "delivered")
    deadline = monotonic() + WITHIN_S
    while (count := arrived(wanted, receiver.counts(), run)) < total and monotonic() < deadline:
        progress.at(count)
        sleep(_LOOK_S)
    progress.at(count)
    progress.end()
    sleep(_AFTER_S)


def told(found: Sequence[Result]) -> bool:
    """Print the table and what is wrong; whether nothing is."""
    click.echo(
        f"\n{'webhook':9} {'its receiver':36} {'events':>6} {'requests':>8} {'retried':>7}"
        f" {'delivered':>9} {'p50 ms':>7} {'p99 ms':>7}"
    )
    for one in found:
        p50, p99 = percentile(one.delays_ms, 50), percentile(one.delays_ms, 99)
        click.echo(
            f"{one.hook.name:9} {one.hook.words:36} {one.events:>6} {one.requests:>8}"
            f" {one.retried:>7} {one.delivered:>9} {p50:>7.0f} {p99:>7.0f}"
        )
    wrong = [f"{one.hook.name}: {line}" for one in found for line in one.wrong]
    for line in wrong:
        click.echo(line, err=True)
    click.echo(
        "\nThe receiver's record "
        + (
            f"differs from what was sent: {len(wrong)} times."
            if wrong
            else "equals what was sent: every event once, byte for byte, and no other."
        )
    )
    return not wrong
