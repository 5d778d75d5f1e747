"""What ingest reads from a request's headers."""

from typing import NamedTuple

from hookstream.process.tracing import parse
from services.ingest.problems import CLOSE, Problem

MAX_IDEMPOTENCY_KEY = 255


class Head(NamedTuple):
    """The headers that matter; what is absent is None or empty."""

    secret: bytes
    idempotency_key: str
    traceparent: bytes | None
    length: int


def read_head(found: dict[bytes, bytes]) -> Head:
    """Of headers by their names in small letters. Raises `Problem` for a bad `Idempotency-Key` or
    a compressed body."""
    if found.get(b"content-encoding", b"identity").lower() != b"identity":
        detail = "compressed bodies are not taken"
        raise Problem(415, "encoding_not_supported", detail, field="Content-Encoding")
    key, trace = found.get(b"idempotency-key"), found.get(b"traceparent")
    return Head(
        _secret(found),
        "" if key is None else _idempotency_key(key),
        trace if trace is not None and parse(trace) is not None else None,
        int(found.get(b"content-length", b"0")),
    )


def _secret(found: dict[bytes, bytes]) -> bytes:
    scheme, _, bearer = found.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer" and (secret := bearer.strip()):
        return secret
    return found.get(b"x-api-key", b"").strip()


def _idempotency_key(value: bytes) -> str:
    key = value.strip().decode("latin-1")
    if 0 < len(key) <= MAX_IDEMPOTENCY_KEY and key.isascii() and key.isprintable():
        return key
    raise Problem(
        400,
        "invalid_idempotency_key",
        f"Idempotency-Key is not 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters",
        field="Idempotency-Key",
        hint="a UUID, or your own id of what happened",
        headers=CLOSE,
    )
