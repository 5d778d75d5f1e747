"""What is made new: ids, secrets, keys. The only place of the console that draws randomness."""

import base64
import secrets
import time

from hookstream.model.ids import uuid7
from hookstream.model.policy import Scheme
from hookstream.model.seal import NONCE
from hookstream.model.signing import private_text


def new_id(prefix: str) -> str:
    """An id that sorts by the time it was made: `wh_` and a UUIDv7 without dashes."""
    return f"{prefix}_{uuid7(now_ms(), secrets.token_bytes(10)).replace('-', '')}"


def new_name() -> str:
    """A system name for a webhook that was given none."""
    return f"webhook-{secrets.token_hex(4)}"


def new_secret(scheme: Scheme) -> str:
    """A signing secret of 32 random bytes, as Standard Webhooks writes it."""
    if scheme == "standard_v1a":
        return private_text(secrets.token_bytes(32))
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def new_key() -> str:
    """An API key; only its SHA-256 is kept."""
    return "hk_" + secrets.token_urlsafe(32)


def new_token() -> str:
    """The secret of a link or a session."""
    return secrets.token_urlsafe(32)


def nonce() -> bytes:
    """For one seal."""
    return secrets.token_bytes(NONCE)


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
