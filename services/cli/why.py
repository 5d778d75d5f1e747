"""`hookstream why`: where the time of one delivery went."""

from typing import Any

import click

from services.cli.api import Api

_BAR = 24


@click.command()
@click.argument("delivery")
@click.option("--url", default="http://127.0.0.1:8800", show_default=True, help="of console")
@click.option("--key", envvar="HOOKSTREAM_KEY", required=True, help="a viewer's API key")
def command(delivery: str, url: str, key: str) -> None:
    """Tell where the time of DELIVERY went, step by step, and its traces."""
    with Api(url, key) as api:
        told: dict[str, Any] = api.get(f"/v1/log/deliveries/{delivery}/why")
    click.echo(f"{told['state']}: {told['verdict']}")
    most = max((step["took_ms"] for step in told["steps"]), default=0) or 1
    for step in told["steps"]:
        click.echo(_line(step, most))
    for trace in told["trace_ids"]:
        click.echo(f"trace {trace}")


def _line(step: dict[str, Any], most: int) -> str:
    bar = "█" * round(_BAR * step["took_ms"] / most)
    what = f"{step['attempt']:>3}  {step['name']:<15}{step['took_ms']:>10} ms"
    return f"{what}  {bar:<{_BAR}}  {step['note']}".rstrip()
