"""Avro's bytes to plain values, by functions made once from a schema: `encoder.py` the other way.

Reads what was written by this version's own schema, as fastavro's reader does (a test compares
them over all records) and at half its cost. What was written by another schema is fastavro's to
resolve (decision 17).
"""

from collections.abc import Callable
from functools import lru_cache
from struct import Struct as Packed
from typing import Any

Read = Callable[[bytes, int], tuple[Any, int]]
"""From the bytes and where to begin: a value, and where it ended. Beyond the bytes' end it may
raise `IndexError`, or say that it ended there: whoever asked compares."""
Named = dict[str, Read]

_KNOWN_NUMBERS = 1 << 14
_TIME, _MOST = 7, 10
"""Bytes that a time in milliseconds takes, and that any number does at most."""
_DOUBLE = Packed("<d")


def decoder(schema: Any) -> Read:
    """What reads values of this parsed schema: dictionaries, lists and plain values. Raises
    `TypeError` for a form we do not use."""
    return _reader(schema, {})


def _reader(schema: Any, named: Named) -> Read:
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind == "record":
        return _record(schema, named)
    if kind == "array":
        return _array(_reader(schema["items"], named))
    if kind == "map":
        return _map(_array(_pair(_reader(schema["values"], named))))
    if isinstance(schema, str) and schema in named:
        return named[schema]
    raise TypeError(f"no reader for Avro's {kind!r}")


def _record(schema: Any, named: Named) -> Read:
    fields = [(field["name"], *_field(field["type"], named)) for field in schema["fields"]]

    def read(raw: bytes, at: int) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        for name, may_be_absent, value in fields:
            if may_be_absent:
                branch, at = raw[at], at + 1
                if branch == 0:
                    values[name] = None
                    continue
                if branch != 2:  # zigzag of 1
                    raise ValueError(f"{name}: no branch {branch} in its union")
            values[name], at = value(raw, at)
        return values, at

    named[schema["name"]] = read
    return read


def _field(schema: Any, named: Named) -> tuple[bool, Read]:
    """Whether a field may be absent, and what reads its value."""
    if not isinstance(schema, list):
        return False, _reader(schema, named)
    if len(schema) != 2 or schema[0] != "null":
        raise TypeError("a union of other than null and one more")
    return True, _reader(schema[1], named)


def _array(item: Read) -> Read:
    def read(raw: bytes, at: int) -> tuple[list[Any], int]:
        values = []
        count, at = _long(raw, at)
        while count:
            if count < 0:  # the block says its size too, for those who skip it
                count, (_, at) = -count, _long(raw, at)
            for _ in range(count):
                value, at = item(raw, at)
                values.append(value)
            count, at = _long(raw, at)
        return values, at

    return read


def _map(pairs: Read) -> Read:
    def read(raw: bytes, at: int) -> tuple[dict[str, Any], int]:
        found, at = pairs(raw, at)
        return dict(found), at

    return read


def _pair(value: Read) -> Read:
    def read(raw: bytes, at: int) -> tuple[tuple[str, Any], int]:
        key, at = _string(raw, at)
        held, at = value(raw, at)
        return (key, held), at

    return read


def _long(raw: bytes, at: int) -> tuple[int, int]:
    first = raw[at]
    if first < 0x80:
        return first >> 1 ^ -(first & 1), at + 1
    second = raw[at + 1]
    if second < 0x80:
        value = first & 0x7F | second << 7
        return value >> 1 ^ -(value & 1), at + 2
    value, size = _time(raw[at : at + _TIME])
    if not size:
        value, size = _spelled(raw[at : at + _MOST])
    return value, at + size


@lru_cache(maxsize=_KNOWN_NUMBERS)
def _time(piece: bytes) -> tuple[int, int]:
    """Remembered: times of one moment stand in many records. Size 0: the number goes on."""
    return _spelled(piece) if min(piece) < 0x80 else (0, 0)


def _spelled(piece: bytes) -> tuple[int, int]:
    """The number that the bytes begin with, zigzag, seven bits a byte; how many bytes it takes."""
    value = 0
    for place, byte in enumerate(piece):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value >> 1 ^ -(value & 1), place + 1
    raise ValueError("a number without an end")


def _bytes(raw: bytes, at: int) -> tuple[bytes, int]:
    size, at = _long(raw, at)
    if size < 0:
        raise ValueError("a negative length")
    return raw[at : at + size], at + size


def _string(raw: bytes, at: int) -> tuple[str, int]:
    size = raw[at]
    if size >= 0x80 or size & 1:
        found, end = _bytes(raw, at)
        return found.decode(), end
    at += 1  # nearly all texts are short
    end = at + (size >> 1)
    return raw[at:end].decode(), end


def _boolean(raw: bytes, at: int) -> tuple[bool, int]:
    return raw[at] == 1, at + 1


def _double(raw: bytes, at: int) -> tuple[float, int]:
    return _DOUBLE.unpack_from(raw, at)[0], at + _DOUBLE.size


_PLAIN: dict[str, Read] = {
    "long": _long,
    "bytes": _bytes,
    "string": _string,
    "boolean": _boolean,
    "double": _double,
}
