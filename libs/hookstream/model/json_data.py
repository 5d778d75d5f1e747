"""Payloads as JSON: whether they are."""

import json
from typing import Any

import msgspec

from hookstream.model.errors import Refusal

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


def check_json(data: bytes) -> Refusal | None:
    """Valid JSON in UTF-8 that every reader understands alike (RFC 8259, RFC 7493).

    Refused beside syntax: NaN, numbers out of a double's range, lone surrogates, a byte order
    mark, and an object that has a member twice, of which readers keep different ones.
    """
    try:
        value = _decoder.decode(data)
        if _has_repeats(data, value):
            return _invalid("an object has the same member twice")
    except UnicodeDecodeError:
        return _invalid("not UTF-8")
    except msgspec.MsgspecError as error:
        return _invalid(str(error))
    except RecursionError:
        return _invalid("nested too deeply")
    return None


def _has_repeats(data: bytes, value: Any) -> bool:
    # Encoding what was decoded loses a repeated member and with it a colon: exact unless a
    # colon was written as an escape, and six times as fast as looking at every object. What
    # programs write without spaces comes out as it was: then there is nothing to count.
    encoded = _encoder.encode(value)
    if encoded == data:
        return False
    if b"\\u003" not in data and encoded.count(b":") == data.count(b":"):
        return False
    try:
        json.loads(data, object_pairs_hook=_unique)
    except _Repeated:
        return True
    return False


class _Repeated(Exception):
    pass


def _unique(members: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in members}) != len(members):
        raise _Repeated


def _invalid(what: str) -> Refusal:
    return Refusal(code="invalid_json", field="data", detail=f"data is not valid JSON: {what}")
