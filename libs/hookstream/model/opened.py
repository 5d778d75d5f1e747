"""A webhook's secrets in clear, as the deliverer holds them: never logged, never encoded."""

import base64
import binascii

from hookstream.model.errors import Refusal
from hookstream.model.headers import check_header, check_value
from hookstream.model.policy import Signature
from hookstream.model.records import Header, Webhook
from hookstream.model.seal import Keys, header_place, secret_place

_SECRET_PREFIX = "whsec_"  # noqa: S105 - what every Standard Webhooks secret begins with


class UnsendableError(Exception):
    """The webhook, as saved, makes no request that may go out: a bad header, nothing to sign by."""


class Opened:
    """What a request of one webhook version needs unsealed: keys to sign with, its own headers.

    Immutable by convention and cached by (webhook, version): the hot path only reads it.
    """

    __slots__ = ("headers", "keys", "replaced")

    def __init__(
        self, keys: tuple[bytes, ...] = (), headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.keys = keys
        self.headers = headers
        self.replaced = frozenset(name.lower() for name, _ in headers)
        """Names, in small letters, that the webhook sets itself."""

    def __repr__(self) -> str:
        return f"Opened({len(self.keys)} keys, {len(self.headers)} headers, masked)"


def open_webhook(webhook: Webhook, keys: Keys) -> Opened:
    """Unseal what a webhook's requests need. Raises SealedError, UnsendableError."""
    signature = webhook.policy.signature
    if signature.scheme != "none" and not webhook.secrets:
        raise UnsendableError("there is no secret to sign with")
    if webhook.content_type is not None:
        _must(check_value("Content-Type", webhook.content_type.encode()))
    place = secret_place(webhook.workspace, webhook.id)
    texts = [keys.open(sealed, place).decode() for sealed in webhook.secrets]
    last = {header.name.lower(): _open_header(header, webhook, keys) for header in webhook.headers}
    return Opened(tuple(signing_key(signature, text) for text in texts), tuple(last.values()))


def signing_key(signature: Signature, secret: str) -> bytes:
    """The bytes to sign with: `whsec_` base64 if standard, else the text's own UTF-8 (W2)."""
    if signature.scheme != "standard":
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error:
        return secret.encode()


def check_secret(signature: Signature, secret: str) -> Refusal | None:
    """Whether a secret may be saved. Length rules are the scheme's: W2's sample has 19 letters."""
    if signature.scheme == "standard":
        try:
            raw = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
        except ValueError:
            raw = b""
        if not 24 <= len(raw) <= 64:
            return _refused("is not `whsec_` and base64 of 24 to 64 bytes")
    elif not 8 <= len(secret.encode()) <= 256:
        return _refused("is not 8 to 256 bytes long")
    return None


def _open_header(header: Header, webhook: Webhook, keys: Keys) -> tuple[bytes, bytes]:
    value = header.value
    if header.private:
        owner = header.owner or webhook.id
        value = keys.open(value, header_place(webhook.workspace, owner, header.name))
    _must(check_header(header.name, value, webhook.policy.signature.header))
    return header.name.encode(), value


def _must(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise UnsendableError(refusal.detail)


def _refused(what: str) -> Refusal:
    hint = "leave it out and one is made for you"
    return Refusal(code="invalid_secret", field="secret", detail=f"the secret {what}", hint=hint)
