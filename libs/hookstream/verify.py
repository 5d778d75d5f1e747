"""For receivers: check that a request came from who holds the secret, and came just now.

    from hookstream.verify import verify

    verify(request.headers, request.body, secret="whsec_…")          # Standard Webhooks
    verify_sha256(request.headers["X-Signature"], request.body, secret="…")

Always over the raw bytes of the body, before any parsing. Both raise `VerificationError`.
"""

import base64
import binascii
import hmac
import time
from collections.abc import Iterable, Mapping

TOLERANCE_S = 300
"""How old or how far ahead a timestamp may be: what Standard Webhooks advises."""

Secrets = str | bytes | Iterable[str | bytes]
"""One secret or several: while one is being replaced, either may have signed."""


class VerificationError(Exception):
    """The request is not to be trusted. The message says why; answer 400 or 401."""


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secret: Secrets,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> None:
    """Check a Standard Webhooks v1 signature (HMAC-SHA256 over `id.timestamp.body`).

    Header names are taken in any case. A secret is `whsec_` and base64, or bytes as they are.
    `now_s`: seconds since the epoch, the clock's by default.
    """
    given = {name.lower(): value for name, value in headers.items()}
    parts = [_header(given, name) for name in ("webhook-id", "webhook-timestamp")]
    _check_age(parts[1], tolerance_s, time.time() if now_s is None else now_s)
    message = f"{parts[0]}.{parts[1]}.".encode() + body
    signatures = _header(given, "webhook-signature").split(" ")
    found = [text.removeprefix("v1,") for text in signatures if text.startswith("v1,")]
    if not found:
        raise VerificationError("webhook-signature has no v1 signature")
    expected = [_base64(key, message) for key in map(_standard_key, _several(secret))]
    _check_any(found, expected)


def verify_sha256(
    header: str | None, body: bytes, secret: Secrets, prefix: str = "sha256="
) -> None:
    """Check a signature header such as `sha256=<hex>`: HMAC-SHA256 of the body alone.

    The secret's own UTF-8 bytes are the key. Carries no time: remember `webhook-id`s against
    repeats.
    """
    if not header:
        raise VerificationError("the signature header is missing")
    if not header.startswith(prefix):
        raise VerificationError(f"the signature does not begin with {prefix!r}")
    keys = [key.encode() if isinstance(key, str) else key for key in _several(secret)]
    expected = [hmac.new(key, body, "sha256").hexdigest() for key in keys]
    _check_any([header.removeprefix(prefix).lower()], expected)


def _several(secret: Secrets) -> list[str | bytes]:
    secrets = [secret] if isinstance(secret, str | bytes) else list(secret)
    if not all(secrets) or not secrets:
        raise ValueError("a secret is empty: anybody could sign with it")
    return secrets


def _standard_key(secret: str | bytes) -> bytes:
    if isinstance(secret, bytes):
        return secret
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return secret.encode()  # as Hookstream signs with a secret that is no base64


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise VerificationError(f"the header {name} is missing")
    return value


def _check_age(timestamp: str, tolerance_s: float, now_s: float) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 15):
        raise VerificationError("webhook-timestamp is not a number of seconds")
    age_s = now_s - int(timestamp)
    if age_s > tolerance_s:
        raise VerificationError(f"the request is {age_s:.0f} s old: a replay, or clocks differ")
    if age_s < -tolerance_s:
        raise VerificationError(f"the request is {-age_s:.0f} s ahead: clocks differ")


def _base64(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.digest(key, message, "sha256")).decode()


def _check_any(found: list[str], expected: list[str]) -> None:
    pairs = [(a.encode(), b.encode()) for a in found[:16] for b in expected]
    # All are compared, so that the time taken says nothing about which was close.
    if not sum([hmac.compare_digest(a, b) for a, b in pairs]):
        raise VerificationError("no signature matches: another secret, or a changed body")
