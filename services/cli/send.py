"""`hookstream send`: one event over HTTP."""

import os
import secrets

import click
import msgspec

from services.cli.api import Api

_SAMPLED = "01"


@click.command()
@click.argument("type_")
@click.argument("data", default="{}")
@click.option("--url", default="http://127.0.0.1:8801", show_default=True, help="of ingest")
@click.option("--key", envvar="HOOKSTREAM_KEY", required=True, help="an API key")
@click.option("--id", "event", help="the event's id; made up if absent")
@click.option("--trace", is_flag=True, help="trace this event, and print its trace id")
def command(type_: str, data: str, url: str, key: str, event: str | None, trace: bool) -> None:
    """Send an event of TYPE with DATA, which is JSON and passes unchanged."""
    head = b'"id":%b,' % _quoted(event) if event else b""
    body = b'{%b"type":%b,"data":%b}' % (head, _quoted(type_), os.fsencode(data))
    more = {}
    if trace:
        trace_id = secrets.token_hex(16)
        more["traceparent"] = f"00-{trace_id}-{secrets.token_hex(8)}-{_SAMPLED}"
        click.echo(f"trace {trace_id}")
    with Api(url, key) as api:
        click.echo(api.post_raw("/v1/events", body, **more)["id"])


def _quoted(text: str) -> bytes:
    return msgspec.json.encode(text)
