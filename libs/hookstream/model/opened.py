"""A webhook's secrets in clear, as the deliverer holds them: never logged, never encoded."""

from hookstream.model.errors import Refusal
from hookstream.model.headers import check_header, check_value
from hookstream.model.records import Header, Webhook
from hookstream.model.rendering import Rendering
from hookstream.model.seal import Keys, header_place, secret_place
from hookstream.model.signing import Key, header_of, signing_key
from hookstream.model.template_syntax import TemplateError


class UnsendableError(Exception):
    """The webhook, as saved, makes no request that may go out: a bad header, nothing to sign by."""


class Opened:
    """What a request of one webhook version needs unsealed: keys to sign with, its own headers.

    Immutable by convention and cached by (webhook, version): the hot path only reads it.
    """

    __slots__ = ("headers", "keys", "rendering", "replaced", "until_ms")

    def __init__(
        self,
        keys: tuple[Key, ...] = (),
        headers: tuple[tuple[bytes, bytes], ...] = (),
        until_ms: tuple[int, ...] = (),
        rendering: Rendering | None = None,
    ) -> None:
        self.keys = keys
        """Newest first."""
        self.headers = headers
        self.until_ms = until_ms if any(until_ms) else ()
        """Beside `keys`: until when each signs, 0: without end; empty: all without end."""
        self.replaced = frozenset(name.lower() for name, _ in headers)
        """Names, in small letters, that the webhook sets itself."""
        self.rendering = rendering
        """Its templates; None where it has none, which then cost nothing."""

    def __repr__(self) -> str:
        return f"Opened({len(self.keys)} keys, {len(self.headers)} headers, masked)"

    def keys_at(self, now_ms: int) -> tuple[Key, ...]:
        """The keys in force. The newest always is."""
        if not self.until_ms:
            return self.keys
        both = zip(self.keys[1:], self.until_ms[1:], strict=True)
        return (self.keys[0], *(key for key, until in both if not until or now_ms < until))


def open_webhook(webhook: Webhook, keys: Keys) -> Opened:
    """Unseal what a webhook's requests need. Raises SealedError, UnsendableError."""
    signature = webhook.policy.signature
    if signature.scheme != "none" and not webhook.secrets:
        raise UnsendableError("there is no secret to sign with")
    if webhook.content_type is not None:
        _must(check_value("Content-Type", webhook.content_type.encode()))
    last = {header.name.lower(): _open_header(header, webhook, keys) for header in webhook.headers}
    opened = _open_secrets(webhook, keys)
    until_ms = (*webhook.secrets_until_ms, *(0 for _ in opened))[: len(opened)]
    headers = tuple(last.values())
    return Opened(opened, headers, until_ms, rendering_of(webhook, headers))


def rendering_of(webhook: Webhook, headers: tuple[tuple[bytes, bytes], ...]) -> Rendering | None:
    """The webhook's templates, None where it has none. Raises UnsendableError.

    `headers`: in clear.
    """
    if webhook.template is None and not webhook.dynamic:
        return None
    private = frozenset(header.name.lower() for header in webhook.headers if header.private)
    try:
        return Rendering(webhook, headers, private)
    except TemplateError as error:
        raise UnsendableError(str(error)) from None


def _open_secrets(webhook: Webhook, keys: Keys) -> tuple[Key, ...]:
    place, scheme = secret_place(webhook.workspace, webhook.id), webhook.policy.signature
    texts = [keys.open(sealed, place).decode() for sealed in webhook.secrets]
    if scheme.scheme == "secret":
        for text in texts:
            _must(check_value(scheme.header, scheme.prefix.encode() + text.encode()))
    try:
        return tuple(signing_key(scheme, text) for text in texts)
    except ValueError:
        raise UnsendableError(f"a secret is none for the scheme {scheme.scheme}") from None


def _open_header(header: Header, webhook: Webhook, keys: Keys) -> tuple[bytes, bytes]:
    value = header.value
    if header.private:
        owner = header.owner or webhook.id
        value = keys.open(value, header_place(webhook.workspace, owner, header.name))
    _must(check_header(header.name, value, header_of(webhook.policy.signature)))
    return header.name.encode(), value


def _must(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise UnsendableError(refusal.detail)
