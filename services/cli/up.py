"""`hookstream up`: everything on this machine, until Ctrl-C."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import click

from hookstream.embedded.child import EmbeddedError
from hookstream.process.settings import SettingsError
from hookstream.stream.open import NotReady
from services.cli.entrance import Entrance, open_entrance
from services.cli.environment import WRONG_SETTINGS, read
from services.cli.ports import fixed
from services.cli.settings import UpSettings
from services.cli.signals import ending
from services.cli.system import System

WORKSPACE = "default"
_LOOK_S = 0.5


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="the data folder")
def command(data: Path | None) -> None:
    """Start Kafka, PostgreSQL and all services, print how to get in, and stay up until Ctrl-C.

    Data, keys and logs are kept in ./.hookstream (HOOKSTREAM_UP_DATA_DIR), so a second start finds
    what the first one left. Addresses of Kafka or PostgreSQL in the settings replace ours.
    """
    settings = read(UpSettings)
    system = System(data or settings.data_dir, fixed(settings), environ=os.environ, tell=click.echo)
    with explained(), system:
        click.echo(welcome(system, open_entrance(system, WORKSPACE)))
        stay(system)


@contextmanager
def explained() -> Iterator[None]:
    """Ctrl-C and SIGTERM are a normal end; what a person can mend is said in words."""
    try:
        with ending():
            yield
    except KeyboardInterrupt:
        click.echo("\nStopped.")
    except SettingsError as error:
        click.echo(f"wrong settings\n{error}", err=True)
        sys.exit(WRONG_SETTINGS)
    except (EmbeddedError, NotReady) as error:
        raise click.ClickException(str(error)) from error


def stay(system: System) -> None:
    """Until a signal, or until a service cannot be kept up."""
    while not (reason := system.failed()):
        sleep(_LOOK_S)
    raise EmbeddedError(reason)


def welcome(system: System, entrance: Entrance) -> str:
    """How to get in, and a request that works as pasted."""
    event = '{"type":"invoice.paid","data":{"amount":1.10}}'
    return f"""
Hookstream is up. Ctrl-C stops it; its data stays in {system.data_dir}

  console    {entrance.link}
             (opens once; the next start prints another)
  API        {system.ports.console_url}/v1   OpenAPI: /v1/openapi.json
  events     {system.ports.ingest_url}/v1/events
  Kafka      {system.kafka.bootstrap_servers}
  API key    {entrance.key}
             (of workspace {entrance.workspace}; the next start prints another)

A webhook, and an event for it:

  curl -s {system.ports.console_url}/v1/webhooks -H 'Authorization: Bearer {entrance.key}' \\
    -H 'Content-Type: application/json' -d '{{"url":"https://example.com/hook","events":["*"]}}'

  curl -s {system.ports.ingest_url}/v1/events -H 'Authorization: Bearer {entrance.key}' \\
    -H 'Content-Type: application/json' -d '{event}'
"""
