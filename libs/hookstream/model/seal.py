"""Sealing secrets: AES-256-GCM, bound to where they belong, opened only in the deliverer."""

import base64
import hashlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12
_KEY = 32
_KEY_ID = 4
_VERSION = b"\x01"


class SealedError(Exception):
    """A sealed value cannot be opened: another key sealed it, or it was changed or moved."""


class Keys:
    """Sealing keys: the first seals, all open, so a key is rotated by putting a new one first."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != _KEY for key in keys):
            raise ValueError(f"sealing keys are {_KEY} bytes each, and there is at least one")
        self._ciphers = {_id(key): AESGCM(key) for key in reversed(keys)}
        self._first = _id(keys[0])
        self._keys = tuple(keys)

    def __repr__(self) -> str:
        return f"Keys({len(self._ciphers)} keys, masked)"

    def derived(self, purpose: str) -> "Keys":
        """Keys of their own for what is sealed by the million: never so much under the keys that
        guard secrets that a nonce might come twice. `purpose`: at most 16 bytes."""
        person = purpose.encode()
        return Keys(
            [hashlib.blake2b(key, digest_size=_KEY, person=person).digest() for key in self._keys]
        )

    def seal(self, plain: bytes, place: str, nonce: bytes) -> bytes:
        """Seal for one place (`place_of`). `nonce`: 12 random bytes, never used twice."""
        if len(nonce) != NONCE:
            raise ValueError(f"a nonce is {NONCE} bytes")
        sealed = self._ciphers[self._first].encrypt(nonce, plain, place.encode())
        return _VERSION + self._first + nonce + sealed

    def open(self, sealed: bytes, place: str) -> bytes:
        """What was sealed for that place. Raises SealedError, which never quotes a value."""
        head, nonce = sealed[: 1 + _KEY_ID], sealed[1 + _KEY_ID : 1 + _KEY_ID + NONCE]
        cipher = self._ciphers.get(head[1:])
        if head[:1] != _VERSION or len(nonce) != NONCE or cipher is None:
            raise SealedError(f"{place}: sealed by a key that is not in the settings")
        try:
            return cipher.decrypt(nonce, sealed[1 + _KEY_ID + NONCE :], place.encode())
        except InvalidTag:
            raise SealedError(f"{place}: changed since it was sealed, or another's") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether the first key sealed it; if not, sealing it anew completes a rotation."""
        return sealed[1 : 1 + _KEY_ID] == self._first


def place_of(workspace: str, webhook: str, field: str) -> str:
    """Where a sealed value belongs; moved elsewhere it does not open. `field`: `secret`, …"""
    return f"{workspace}|{webhook}|{field}"


def header_place(workspace: str, webhook: str, name: str) -> str:
    """Where the value of a private header belongs; names differ by more than case."""
    return place_of(workspace, webhook, f"header:{name.lower()}")


def secret_place(workspace: str, webhook: str) -> str:
    """Where a webhook's signing secrets belong, all of them: rotation reorders them."""
    return place_of(workspace, webhook, "secret")


def parse_keys(text: str) -> Keys:
    """Keys from a setting: base64 (or hex) of 32 bytes each, separated by commas or spaces."""
    return Keys([_parse(part) for part in text.replace(",", " ").split()])


def _parse(text: str) -> bytes:
    try:
        if len(text) == 2 * _KEY:
            return bytes.fromhex(text)
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        raise ValueError("a sealing key is neither base64 nor hex of 32 bytes") from None


def _id(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=_KEY_ID, person=b"hookstream-key").digest()
