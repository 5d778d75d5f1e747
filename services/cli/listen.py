"""`hookstream listen`: events to a port of this machine, as their webhook would send them (W14)."""

import time
from threading import Event as Stop

import click

from services.cli.api import Api, Refused
from services.cli.followed import Followed, webhook_of
from services.cli.local_requests import LocalRequests, made_up
from services.cli.signals import ending

EVERY_S = 1.0
_AFTER_A_REFUSAL_S = 5.0
_FINAL = {401, 403, 404, 422}
"""Refusals that asking again does not mend."""


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="where you listen")
@click.option("--webhook", help="whose events, rules and path: its system name or id")
@click.option("--path", help="instead of the path of the webhook's URL")
@click.option("--secret", help="to sign with, such as the webhook's; made up if absent")
@click.option("--url", default="http://127.0.0.1:8800", show_default=True, help="of the console")
@click.option("--key", envvar="HOOKSTREAM_KEY", required=True, help="an API key, viewer or more")
def command(
    port: int, webhook: str | None, path: str | None, secret: str | None, url: str, key: str
) -> None:
    """Forward each new event to http://127.0.0.1:PORT, with the body and the headers that the
    webhook's receiver gets. Without --webhook: all events, by the policy `standard`.

    For development, where nothing from outside reaches this machine. It follows the log, so the
    webhook goes on as it is, and may be paused. A request is made once; its answer is shown here
    and counts for nothing.
    """
    with Api(url, key) as api:
        known = webhook_of(api, webhook)
        secret = secret or made_up(known.policy.signature)
        local = LocalRequests(known, secret, port, path)
        followed = Followed(api, known)
        click.echo(local.welcome(secret))
        try:
            with ending():
                follow(followed, local)
        except KeyboardInterrupt:
            click.echo("\nStopped.")


def follow(followed: Followed, local: LocalRequests) -> None:
    """Until a signal. A refusal that may pass is told and waited out."""
    never = Stop()
    pause_s = EVERY_S
    while not never.wait(pause_s):
        pause_s = EVERY_S
        try:
            for event in followed.new():
                click.echo(local.send(event, time.time_ns() // 1_000_000))
        except Refused as error:
            if error.status in _FINAL:
                raise
            click.echo(f"waits: {error.message}", err=True)
            pause_s = _AFTER_A_REFUSAL_S
