"""How requests are signed: schemes, the keys that secrets stand for, and what a secret must be.

Standard Webhooks 1.0.0 (*Signature scheme*) for `standard` and `standard_v1a`; W5 for `sha256`.
"""

import base64
import hmac

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import structs

from hookstream.model.errors import Refusal
from hookstream.model.headers import check_name, check_value
from hookstream.model.policy import Signature

Key = bytes | Ed25519PrivateKey
"""What signs, ready to use: made once a webhook version, never for a request."""

MOST_SECRETS = 3
"""A webhook holds so many at once: the newest, and those that it is being changed from."""

_SECRET = "whsec_"  # noqa: S105 - what every Standard Webhooks secret begins with
_PRIVATE, _PUBLIC = "whsk_", "whpk_"
_SEED = 32

STANDARD_HEADER = "webhook-signature"
_SET_BY_US = frozenset(
    ("content-type", "content-encoding", "user-agent", "accept-encoding", "traceparent")
)
"""Headers that mean something else already."""


def header_of(signature: Signature) -> str:
    """The header that requests carry by this scheme; empty: none."""
    return "" if signature.scheme == "none" else signature.header


def check_signature(signature: Signature) -> Refusal | None:
    """Whether a policy may sign so: in which header, and with what before the value."""
    if signature.scheme == "none":
        return None
    if signature.scheme in ("standard", "standard_v1a"):
        return _check_standard_header(signature)
    header = signature.header
    refusal = check_name(header) or check_value(header, f"{signature.prefix}x".encode())
    if refusal is None and header.lower() in _SET_BY_US:
        refusal = check_name(header, header)
    where = "prefix" if refusal and refusal.code == "invalid_header_value" else "header"
    return refusal and structs.replace(refusal, field=f"signature.{where}")


def signature(scheme: Signature, keys: tuple[Key, ...], head: bytes, body: bytes) -> bytes:
    """The value of the signature header. `head`: `id.timestamp.`, which `standard` signs too.

    `keys`, newest first, are those in force. The standard schemes sign with all of them. Receivers
    of the other two understand one value only, so the oldest key signs as long as it is in force:
    who receives has until then to accept the new one beside it.
    """
    if scheme.scheme in ("standard", "standard_v1a"):
        message = head + body
        return b" ".join([_standard(key, message) for key in keys])
    key = keys[-1]
    assert isinstance(key, bytes)  # noqa: S101 - what signing_key makes of these schemes
    if scheme.scheme == "sha256":
        return scheme.prefix.encode() + hmac.digest(key, body, "sha256").hex().encode()
    return scheme.prefix.encode() + key


def signing_key(signature: Signature, secret: str) -> Key:
    """What a saved secret signs by. Raises ValueError where the scheme has no use for it.

    `whsec_` and base64 if standard, an ed25519 key if v1a, else the text's own UTF-8 (W2).
    """
    if signature.scheme == "standard_v1a":
        return _private_key(secret)
    if signature.scheme != "standard":
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET), validate=True)
    except ValueError:
        return secret.encode()


def private_text(seed: bytes) -> str:
    """A secret for `standard_v1a`, of 32 random bytes."""
    return _PRIVATE + base64.b64encode(seed).decode()


def public_key(signature: Signature, secret: str) -> str | None:
    """`whpk_…`, by which receivers check `standard_v1a`; None for other schemes."""
    if signature.scheme != "standard_v1a":
        return None
    raw = _private_key(secret).public_key().public_bytes_raw()
    return _PUBLIC + base64.b64encode(raw).decode()


def check_secret(signature: Signature, secret: str) -> Refusal | None:
    """Whether a secret may be saved. Length rules are the scheme's: W2's sample has 19 letters."""
    if signature.scheme == "standard":
        return _check_standard(secret)
    if signature.scheme == "standard_v1a":
        return _check_private(secret)
    if not 8 <= len(secret.encode()) <= 256:
        return _refused("is not 8 to 256 bytes long")
    if signature.scheme == "secret" and not _fits_header(secret):
        return _refused("cannot stand in a header", "use visible ASCII, with no space at the ends")
    return None


def _fits_header(secret: str) -> bool:
    return secret.isascii() and secret.isprintable() and secret == secret.strip()


def _check_standard(secret: str) -> Refusal | None:
    try:
        raw = base64.b64decode(secret.removeprefix(_SECRET), validate=True)
    except ValueError:
        raw = b""
    if not 24 <= len(raw) <= 64:
        return _refused("is not `whsec_` and base64 of 24 to 64 bytes")
    return None


def _check_private(secret: str) -> Refusal | None:
    try:
        _private_key(secret)
    except ValueError:
        return _refused("is not `whsk_` and base64 of an ed25519 key: its seed of 32 bytes, or 64")
    return None


def _private_key(secret: str) -> Ed25519PrivateKey:
    """Of 32 bytes, the seed, or of 64, seed and public key, which must belong together."""
    if not secret.startswith(_PRIVATE):
        raise ValueError("no ed25519 secret")
    raw = base64.b64decode(secret.removeprefix(_PRIVATE), validate=True)
    if len(raw) not in (_SEED, 2 * _SEED):
        raise ValueError("no ed25519 key")
    key = Ed25519PrivateKey.from_private_bytes(raw[:_SEED])
    if raw[_SEED:] not in (b"", key.public_key().public_bytes_raw()):
        raise ValueError("the public half belongs to another key")
    return key


def _check_standard_header(signature: Signature) -> Refusal | None:
    for field, given, fixed in (
        ("header", signature.header.lower(), STANDARD_HEADER),
        ("prefix", signature.prefix, ""),
    ):
        if given != fixed:
            detail = f"Standard Webhooks signs in the header {STANDARD_HEADER}, without a prefix"
            where, hint = f"signature.{field}", "leave it out, or take the scheme sha256"
            return Refusal(code="signature_fixed", field=where, detail=detail, hint=hint)
    return None


def _standard(key: Key, message: bytes) -> bytes:
    if isinstance(key, bytes):
        return b"v1," + base64.b64encode(hmac.digest(key, message, "sha256"))
    return b"v1a," + base64.b64encode(key.sign(message))


def _refused(what: str, hint: str = "leave it out and one is made for you") -> Refusal:
    return Refusal(code="invalid_secret", field="secret", detail=f"the secret {what}", hint=hint)
