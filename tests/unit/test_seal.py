"""Sealed values open where they belong, with a key that is known, unchanged."""

import base64

import pytest

from hookstream.model.seal import Keys, SealedError, parse_keys, place_of

A, B = b"a" * 32, b"b" * 32
NONCE = b"n" * 12
PLACE = place_of("ws_1", "wh_1", "secret")


def test_what_was_sealed_opens_with_any_of_the_keys() -> None:
    sealed = Keys([A]).seal(b"secret", PLACE, NONCE)
    assert Keys([B, A]).open(sealed, PLACE) == b"secret"
    assert b"secret" not in sealed


def test_the_first_key_seals_so_a_rotation_is_seen_to_be_complete() -> None:
    sealed = Keys([A]).seal(b"secret", PLACE, NONCE)
    rotated = Keys([B, A])
    assert not rotated.is_current(sealed)
    assert rotated.is_current(rotated.seal(b"secret", PLACE, NONCE))


@pytest.mark.parametrize("index", range(0, 40, 3))
def test_a_changed_byte_is_noticed(index: int) -> None:
    keys = Keys([A])
    sealed = bytearray(keys.seal(b"secret!", PLACE, NONCE))
    assert len(sealed) == 40
    sealed[index] ^= 1
    with pytest.raises(SealedError):
        keys.open(bytes(sealed), PLACE)


@pytest.mark.parametrize("other", ["ws_2|wh_1|secret", "ws_1|wh_2|secret", "ws_1|wh_1|header:x"])
def test_a_value_that_was_moved_does_not_open(other: str) -> None:
    keys = Keys([A])
    with pytest.raises(SealedError):
        keys.open(keys.seal(b"secret", PLACE, NONCE), other)


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"x" * 40])
def test_what_is_no_sealed_value_or_by_another_key_does_not_open(sealed: bytes) -> None:
    with pytest.raises(SealedError):
        Keys([A]).open(sealed, PLACE)
    with pytest.raises(SealedError):
        Keys([A]).open(Keys([B]).seal(b"s", PLACE, NONCE), PLACE)


def test_keys_are_read_from_base64_and_hex() -> None:
    text = f"{base64.b64encode(A).decode()}, {B.hex()}"
    sealed = Keys([B]).seal(b"s", PLACE, NONCE)
    assert parse_keys(text).open(sealed, PLACE) == b"s"


@pytest.mark.parametrize("text", ["", "zz", "c2hvcnQ=", "!" * 64])
def test_other_keys_are_refused_without_quoting_them(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_keys(text)
    assert not text or text not in str(refused.value)
