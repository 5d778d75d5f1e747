"""For receivers: check that a request came from who holds the secret, and came just now.

    from hookstream.verify import verify

    verify(request.headers, request.body, secret="whsec_…")          # Standard Webhooks
    verify(request.headers, request.body, secret="whpk_…")           # the same by ed25519
    verify_sha256(request.headers["X-Signature"], request.body, secret="…")

Always over the raw bytes of the body, before any parsing. Both raise `VerificationError`.
"""

import base64
import hmac
import time
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE_S = 300
"""How old or how far ahead a timestamp may be: what Standard Webhooks advises."""

Secrets = str | bytes | Iterable[str | bytes]
"""One secret or several: while one is being replaced, either may have signed."""

_MOST_SIGNATURES = 16
"""Of one request: the rest is not looked at."""

_NO_MATCH = "no signature matches: another secret, or a changed body"


class VerificationError(Exception):
    """The request is not to be trusted. The message says why; answer 400 or 401."""


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secret: Secrets,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> None:
    """Check a Standard Webhooks signature over `id.timestamp.body`: v1 (HMAC-SHA256) or v1a.

    Header names are taken in any case. A secret is `whsec_` and base64, or bytes as they are; for
    v1a (ed25519) it is the public key, `whpk_` and base64. `now_s`: seconds since the epoch, the
    clock's by default.
    """
    secrets = _several(secret)
    given = {name.lower(): value for name, value in headers.items()}
    parts = [_header(given, name) for name in ("webhook-id", "webhook-timestamp")]
    _check_age(parts[1], tolerance_s, time.time() if now_s is None else now_s)
    message = f"{parts[0]}.{parts[1]}.".encode() + body
    signatures = _header(given, "webhook-signature").split(" ")
    public = [key for each in secrets if (key := _public_key(each)) is not None]
    shared = [_standard_key(each) for each in secrets if _public_key(each) is None]
    wanted = [version for version, keys in (("v1", shared), ("v1a", public)) if keys]
    found = {each: _of_version(signatures, each) for each in wanted}
    if not any(found.values()):
        raise VerificationError(f"webhook-signature has no {' or '.join(wanted)} signature")
    by_public = _is_signed(found.get("v1a", []), public, message)
    expected = [_base64(key, message) for key in shared]
    if not (_is_any(found.get("v1", []), expected) or by_public):
        raise VerificationError(_NO_MATCH)


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
    if not _is_any([header.removeprefix(prefix).lower()], expected):
        raise VerificationError(_NO_MATCH)


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
    except ValueError:
        return secret.encode()  # as Hookstream signs with a secret that is no base64


def _public_key(secret: str | bytes) -> Ed25519PublicKey | None:
    """The key of a `whpk_…`, else None."""
    if not isinstance(secret, str) or not secret.startswith(("whpk_", "whsk_")):
        return None
    if secret.startswith("whsk_"):
        raise ValueError("whsk_ is the sender's private key: check by the public one, whpk_")
    raw = base64.b64decode(secret.removeprefix("whpk_"), validate=True)
    return Ed25519PublicKey.from_public_bytes(raw)


def _of_version(signatures: list[str], version: str) -> list[str]:
    marked = f"{version},"
    found = [text.removeprefix(marked) for text in signatures if text.startswith(marked)]
    return found[:_MOST_SIGNATURES]


def _is_signed(found: list[str], keys: list[Ed25519PublicKey], message: bytes) -> bool:
    return any(_is_signed_by(key, text, message) for key in keys for text in found)


def _is_signed_by(key: Ed25519PublicKey, text: str, message: bytes) -> bool:
    try:
        key.verify(base64.b64decode(text, validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True


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


def _is_any(found: list[str], expected: list[str]) -> bool:
    pairs = [(a.encode(), b.encode()) for a in found for b in expected]
    # All are compared, so that the time taken says nothing about which was close.
    return bool(sum([hmac.compare_digest(a, b) for a, b in pairs]))
