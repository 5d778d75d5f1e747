"""`hookstream event-types import`: a catalogue of event types out of a file."""

from typing import Any, BinaryIO

import click
import msgspec

from services.cli.api import Api


@click.group()
def command() -> None:
    """Work with a workspace's catalogue of event types."""


@command.command(name="import")
@click.argument("file", type=click.File("rb"))
@click.option("--url", default="http://127.0.0.1:8800", show_default=True, help="of console")
@click.option("--key", envvar="HOOKSTREAM_KEY", required=True, help="an editor's API key")
def import_(file: BinaryIO, url: str, key: str) -> None:
    """Create and change the event types that FILE names; `-` reads standard input.

    FILE is JSON: {"event_types": [{"name": …, "group": …, "description": …, "json_schema": …,
    "sample": …}, …]}. All of it is taken, or nothing; again changes nothing.
    """
    text = file.read()
    try:
        msgspec.json.decode(text)
    except msgspec.MsgspecError as error:
        raise click.ClickException(f"{file.name} is not JSON: {error}") from None
    with Api(url, key) as api:
        done: dict[str, Any] = api.post_raw("/v1/event-types/import", text)
    for what in ("created", "changed", "unchanged"):
        click.echo(f"{what:<9} {len(done[what]):>4}  {' '.join(done[what])}".rstrip())
