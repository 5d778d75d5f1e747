"""Identities: made once, the same wherever they are made again, short enough for any header."""

import base64
import hashlib
import hmac
import re

from hookstream.model.records import Event

ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
"""An id given by a user: never a dot, which Standard Webhooks uses as a separator."""

OPERATIONAL = "evt_op_"
"""What the ids of operational events begin with; none that we make for others does."""

_NAMESPACE = bytes.fromhex("b6f0c1f27b0d5d6e9a0f3c5e8f6a4d21")
"""Of all our UUIDv5. Changing it would make every repeated delivery a new one."""
_MARKS = 0xF << 76 | 0x3 << 62
"""Where a UUID says its version and variant (RFC 9562 4)."""
_PLAIN = (1 << 128) - 1 ^ _MARKS
_V5 = 0x5 << 76 | 0x2 << 62
_V7 = 0x7 << 76 | 0x2 << 62


def is_id(text: str) -> bool:
    """Whether `text` may be an id: 1 to 64 of letters, digits, `_` and `-`."""
    return ID.fullmatch(text) is not None


def uuid7(now_ms: int, randomness: bytes) -> str:
    """UUIDv7 (RFC 9562) of a time and 10 random bytes: sorts by time, unguessable."""
    return _dashed(f"{_uuid7(now_ms, randomness):032x}")


def event_id(now_ms: int, randomness: bytes) -> str:
    """A new event's id: `evt_` and a UUIDv7 without dashes. `randomness`: 10 bytes."""
    return f"evt_{_uuid7(now_ms, randomness):032x}"


def event_key(event: Event) -> str | None:
    """The key of an event's record: what is about one subject stays in order. None where there is
    no subject, and so nothing to keep together: producers then fill one partition's batch at a
    time, which costs the broker a fraction of what a batch in each partition would."""
    return f"{event.workspace}/{event.subject}" if event.subject else None


def event_id_for_key(salt: bytes, workspace: str, idempotency_key: str) -> str:
    """The event id that an `Idempotency-Key` stands for: a keyed hash, the same at every repeat."""
    message = f"{workspace}\0{idempotency_key}".encode()
    digest = hmac.digest(salt, message, "sha256")[:20]
    return "evt_" + base64.b32encode(digest).decode().lower()


def delivery_id(webhook: str, event: str) -> str:
    """UUIDv5 of (webhook, event): the same event for the same webhook is the same delivery."""
    return _uuid5(f"{webhook}\0{event}")


def released_id(delivery: str) -> str:
    """The delivery that releases a parked one; releasing twice is one delivery (once.md 22)."""
    return _uuid5(f"{delivery}\0release")


def operational_id(webhook: str, what: str | int, kind: str) -> str:
    """Id of an operational event such as `webhook.disabled`, once for `what`: the version that
    was disabled, the delivery that failed, or when the row of failures began."""
    return OPERATIONAL + _uuid5(f"{webhook}\0{what}\0{kind}").replace("-", "")


def payload_hash(event: Event) -> str:
    """64 bits over type and data, 16 hex digits: tells a repeat from a reused id (once.md 10)."""
    digest = hashlib.blake2b(event.type.encode(), digest_size=8)
    digest.update(b"\0")
    digest.update(event.data)
    return digest.hexdigest()


def _uuid7(now_ms: int, randomness: bytes) -> int:
    if len(randomness) != 10:
        raise ValueError("uuid7 needs exactly 10 random bytes")
    value = (now_ms & (1 << 48) - 1) << 80 | int.from_bytes(randomness)
    return value & _PLAIN | _V7


def _uuid5(name: str) -> str:
    digest = hashlib.sha1(_NAMESPACE + name.encode(), usedforsecurity=False).digest()
    return _dashed(f"{int.from_bytes(digest[:16]) & _PLAIN | _V5:032x}")


def _dashed(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
