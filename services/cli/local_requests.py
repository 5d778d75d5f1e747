"""The requests of `hookstream listen`: what the deliverer would send, to a port of this machine."""

import base64
import secrets
from urllib.parse import urlsplit

import click
import httpx2

from hookstream.model.deliveries import first_turn
from hookstream.model.ids import delivery_id
from hookstream.model.opened import Opened, UnsendableError, rendering_of
from hookstream.model.policy import Signature
from hookstream.model.records import Event, Webhook
from hookstream.model.request import request
from hookstream.model.signing import check_secret, private_text, signing_key
from hookstream.model.template_syntax import TemplateError


class LocalRequests:
    """Makes and sends them. The secret signs in place of the webhook's own, which nobody is shown.

    Raises ClickException where the secret is none for the webhook's policy.
    """

    def __init__(self, webhook: Webhook, secret: str, port: int, path: str | None) -> None:
        self._webhook = webhook
        self._root = f"http://127.0.0.1:{port}"
        self._path = None if path is None else "/" + path.removeprefix("/")
        self._opened = _opened(webhook, secret)
        self._client = httpx2.Client(
            trust_env=False, timeout=webhook.policy.deadline_ms / 1000, follow_redirects=False
        )

    def welcome(self, secret: str) -> str:
        """What is forwarded where, and what to check signatures by."""
        scheme = self._webhook.policy.signature.scheme
        signed = "not signed" if scheme == "none" else f"signed ({scheme}) with {secret}"
        types = ", ".join(self._webhook.events)
        return f"{types} → {self._url(self._webhook.url)}, {signed}\nCtrl-C stops."

    def send(self, event: Event, now_ms: int) -> str:
        """Send one; a line that says what became of it."""
        id_ = delivery_id(self._webhook.id, event.id)
        delivery = first_turn("event", id_, self._webhook, event, now_ms, "listen")
        what = f"{event.type} {event.id}"
        try:
            made = request(self._webhook, delivery, self._opened, now_ms)
            answer = self._client.send(
                httpx2.Request(
                    made.method, self._url(made.url), headers=made.headers, content=made.body
                )
            )
        except TemplateError as error:
            return f"{what}: not sent, {error}"
        except httpx2.TransportError as error:
            return f"{what}: {error or type(error).__name__}"
        return f"{what}: {answer.status_code} in {answer.elapsed.total_seconds() * 1000:.0f} ms"

    def _url(self, url: str) -> str:
        parts = urlsplit(url)
        own = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return self._root + (own if self._path is None else self._path)


def made_up(scheme: Signature) -> str:
    """A secret for one run."""
    if scheme.scheme == "standard_v1a":
        return private_text(secrets.token_bytes(32))
    if scheme.scheme == "standard":
        return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_urlsafe(24)


def _opened(webhook: Webhook, secret: str) -> Opened:
    scheme = webhook.policy.signature
    refusal = None if scheme.scheme == "none" else check_secret(scheme, secret)
    if refusal is not None:
        raise click.ClickException(f"{refusal.detail} ({refusal.hint})")
    keys = () if scheme.scheme == "none" else (signing_key(scheme, secret),)
    headers = tuple((header.name.encode(), header.value) for header in webhook.headers)
    try:
        return Opened(keys, headers, rendering=rendering_of(webhook, headers))
    except UnsendableError as error:
        raise click.ClickException(str(error)) from error
