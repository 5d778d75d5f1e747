"""Payloads as JSON: whether they are, and whether they fit a type's JSON Schema."""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from hookstream.model.errors import Refusal

MAX_SCHEMA = 65_536

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


def check_schema(schema: bytes, data: bytes) -> Refusal | None:
    """Whether valid JSON `data` fits `schema`. The worst fault is named by its path."""
    try:
        error = best_match(_validator(schema).iter_errors(json.loads(data)))
    except (SchemaError, Unresolvable, ValueError, RecursionError) as fault:
        return _unusable(fault)
    if error is None:
        return None
    where = "data" + _path(error)
    return Refusal(code="schema_mismatch", field=where, detail=f"{where}: {error.message[:300]}")


def check_schema_itself(schema: bytes) -> Refusal | None:
    """Whether `schema` is a JSON Schema (2020-12) that reaches for nothing outside itself."""
    if len(schema) > MAX_SCHEMA:
        return Refusal(code="invalid_schema", field="json_schema", detail="more than 64 KiB")
    try:
        validator = _validator(schema)
        Draft202012Validator.check_schema(validator.schema)
        _check_references(validator.schema)
    except (SchemaError, ValueError, RecursionError) as fault:
        return _unusable(fault)
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


@lru_cache(maxsize=1024)
def _validator(schema: bytes) -> Draft202012Validator:
    value = _decoder.decode(schema)
    if not isinstance(value, dict | bool):
        raise ValueError("a schema is an object")
    # An empty registry: a $ref to elsewhere is an error, never a request.
    return Draft202012Validator(value, registry=Registry())


def _check_references(schema: Any) -> None:
    for member in _members(schema):
        reference = member.get("$ref", member.get("$dynamicRef", "#"))
        if isinstance(reference, str) and not reference.startswith("#"):
            raise ValueError(f"$ref {reference[:100]!r} is not within the schema")


def _members(value: Any) -> Iterable[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for inner in inside:
        yield from _members(inner)


def _path(error: ValidationError) -> str:
    steps = list(error.absolute_path)
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)[:200]


def _invalid(what: str) -> Refusal:
    return Refusal(code="invalid_json", field="data", detail=f"data is not valid JSON: {what}")


def _unusable(fault: Exception) -> Refusal:
    detail = f"the type's JSON Schema cannot be used: {str(fault).splitlines()[0][:300]}"
    return Refusal(code="invalid_schema", field="json_schema", detail=detail)
