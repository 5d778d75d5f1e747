"""Whether a payload fits its type's JSON Schema (2020-12), in bounded time.

Schema and payload are a tenant's, and the check runs in processes that all share. So every keyword
that is applied to a value costs steps, more of them for a big value, of which one check has
`MAX_STEPS`: that bounds references that multiply, comparisons, and messages. Patterns are RE2's,
whose time grows with the text and no faster: no look-arounds, no references back.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import msgspec
import re2
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry

from hookstream.model.errors import Refusal

MAX_SCHEMA = 65_536
MAX_STEPS = 100_000
"""Some 10 µs each: a second or so at the very worst. A payload of 256 KiB takes 25,000 or so with a
schema that names all its members (97 a KiB, median of a hundred real ones)."""
_MAX_PATTERN = 1_000

_Schema = dict[str, Any]
_Applied = Iterator[ValidationError]
_Keyword = Callable[[Any, Any, Any, Any], Iterable[ValidationError] | None]
_decoder = msgspec.json.Decoder()


class _Unusable(Exception):
    """The schema cannot be used, or not for this payload; the text is for people."""


def check_schema(schema: bytes, data: bytes) -> Refusal | None:
    """Whether valid JSON `data` fits `schema`. The worst fault is named by its path."""
    try:
        validator = _validator(schema)
        instance = json.loads(data)
        _meter.set(_Meter(instance))
        error = best_match(validator.iter_errors(instance))
    except Exception as fault:  # whatever it is, it is this schema's, and ends no process
        return _unusable(fault)
    finally:
        _meter.set(_DONE)
    if error is None:
        return None
    where = "data" + _path(error)
    return Refusal(code="schema_mismatch", field=where, detail=f"{where}: {error.message[:300]}")


def check_schema_itself(schema: bytes) -> Refusal | None:
    """Whether `schema` is a JSON Schema (2020-12) that reaches for nothing outside itself."""
    if len(schema) > MAX_SCHEMA:
        return Refusal(code="invalid_schema", field="json_schema", detail="more than 64 KiB")
    try:
        value = _schema_in(schema)
        Draft202012Validator.check_schema(value)
        _check_members(value)
    except (_Unusable, SchemaError, ValueError, RecursionError) as fault:
        return _unusable(fault)
    return None


@lru_cache(maxsize=1024)
def _validator(schema: bytes) -> Validator:
    value = _schema_in(schema)
    _check_members(value)
    # An empty registry: a $ref to elsewhere is an error, never a request.
    return _Bounded(_unevaluated_last(value), registry=Registry())


def _schema_in(schema: bytes) -> Any:
    value = _decoder.decode(schema)
    if not isinstance(value, dict | bool):
        raise _Unusable("a schema is an object")
    return value


def _check_members(schema: Any) -> None:
    """What the metaschema allows and we do not."""
    names: set[str] = set()
    for member in _members(schema):
        names |= member.keys()
        reference = member.get("$ref", member.get("$dynamicRef", "#"))
        if isinstance(reference, str) and not reference.startswith("#"):
            raise _Unusable(f"$ref {reference[:100]!r} is not within the schema")
        patterns = member.get("patternProperties")
        for pattern in (member.get("pattern"), *(patterns if isinstance(patterns, dict) else ())):
            if isinstance(pattern, str):
                _compiled(pattern)
    if {"unevaluatedProperties", "patternProperties"} <= names:
        raise _Unusable("unevaluatedProperties and patternProperties cannot be used together")


def _members(value: Any) -> Iterator[_Schema]:
    if isinstance(value, dict):
        yield value
    for inner in _inside(value):
        yield from _members(inner)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unevaluated_last(value: Any) -> Any:
    """What was not evaluated is looked for without steps: after all that is evaluated took its."""
    if isinstance(value, list):
        return [_unevaluated_last(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    names = sorted(value, key=lambda name: name.startswith("unevaluated"))
    return {name: _unevaluated_last(value[name]) for name in names}


# -- steps ----------------------------------------------------------------------------------------


class _Meter:
    """What is left of one check's steps, and how much each list and object of its payload holds:
    values and names, and of text an eighth of its characters."""

    def __init__(self, instance: Any) -> None:
        self._left = MAX_STEPS
        self._sizes: dict[int, int] = {}
        self._measure(instance)

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise _Unusable(f"to check this takes more than {MAX_STEPS} steps")

    def size(self, value: Any) -> int:
        if isinstance(value, str):
            return len(value) // 8
        return self._sizes.get(id(value), 0)

    def _measure(self, value: Any) -> int:
        if isinstance(value, str):
            return 1 + len(value) // 8
        if not isinstance(value, dict | list):
            return 1
        found = 1 + sum(map(self._measure, _inside(value)))
        if isinstance(value, dict):
            found += sum(1 + len(name) // 8 for name in value)
        self._sizes[id(value)] = found
        return found


_DONE = _Meter(None)
_meter = ContextVar("meter", default=_DONE)
"""Of the check under way: keywords are given nothing to pass it on by."""


def _metered(name: str, applied: _Keyword) -> _Keyword:
    def keyword(validator: Any, value: Any, instance: Any, schema: Any) -> _Applied:
        meter = _meter.get()
        meter.spend(_steps(name, value, instance, meter.size(instance)))
        yield from applied(validator, value, instance, schema) or ()

    return keyword


def _steps(name: str, value: Any, instance: Any, size: int) -> int:
    """What a keyword costs to apply, beside those that it applies to what is inside."""
    members = len(value) if isinstance(value, dict | list) else 0
    items = len(instance) if isinstance(instance, dict | list) else 0
    steps = 1 + size // 64 + members // 8
    if name in _TO_EACH:  # members of the schema that are no keywords are passed over for each
        steps += items * (members // 8)
    if name == "required":  # a message for each
        steps += 2 * members
    if name == "dependentRequired":
        steps += 2 * sum(map(len, value.values()))
    if name in _UNEVALUATED:  # looks each up in a list
        steps += items * items // 512
    return steps


# -- keywords of our own --------------------------------------------------------------------------

_FOUR_DIGITS = re.compile(r"(?<!\\)((?:\\\\)*)\\u([0-9a-fA-F]{4})")
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1_048_576


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    if len(pattern) > _MAX_PATTERN:
        raise _Unusable(f"a pattern is longer than {_MAX_PATTERN} characters")
    try:
        return re2.compile(_FOUR_DIGITS.sub(r"\1\\x{\2}", pattern), _OPTIONS)
    except re2.error as error:
        said = error.args[0] if error.args else b""
        detail = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise _Unusable(f"pattern {pattern[:100]!r}: {detail}") from error


def _found(pattern: str, text: str) -> bool:
    """Whether it is in the text; at the very worst RE2 takes 5 ns a character and instruction."""
    compiled = _compiled(pattern)
    _meter.get().spend(len(text) * compiled.programsize // 2048)
    return compiled.search(text) is not None


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> _Applied:
    if isinstance(instance, str) and not _found(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _: Any
) -> _Applied:
    if not isinstance(instance, dict):
        return
    for pattern, schema in patterns.items():
        _meter.get().spend(len(instance))
        for name, value in instance.items():
            if _found(pattern, name):
                yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, schema: Any, instance: Any, parent: _Schema) -> _Applied:
    if not isinstance(instance, dict):
        return
    known, patterns = parent.get("properties", {}), parent.get("patternProperties", ())
    _meter.get().spend(len(instance) * len(patterns))
    for name, value in instance.items():
        if name in known or any(_found(pattern, name) for pattern in patterns):
            continue
        if schema is False:
            yield ValidationError(f"additional properties are not allowed: {name!r}")
        else:
            yield from validator.descend(value, schema, path=name)


def _unique_items(_: Any, wanted: Any, instance: Any, __: Any) -> _Applied:
    if not (wanted and isinstance(instance, list)):
        return
    if len({_alike(value) for value in instance}) < len(instance):
        yield ValidationError("two items are the same")


def _alike(value: Any) -> object:
    """Equal for values that are the same in JSON: 1 and 1.0 are, 1 and true are not. Numbers go by
    their text: anybody can write many of one hash."""
    if isinstance(value, dict):
        return frozenset((name, _alike(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return tuple(map(_alike, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return (float, str(int(value) if value == int(value) else value))


_UNEVALUATED = frozenset({"unevaluatedItems", "unevaluatedProperties"})
_TO_EACH = _UNEVALUATED | {"items", "contains", "propertyNames", "additionalProperties"}
_OURS: dict[str, _Keyword] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
}
_KEYWORDS: dict[str, _Keyword] = {**Draft202012Validator.VALIDATORS, **_OURS}
_Bounded: Callable[..., Validator] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {name: _metered(name, applied) for name, applied in _KEYWORDS.items()}
)


def _path(error: ValidationError) -> str:
    steps = list(error.absolute_path)
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)[:200]


def _unusable(fault: Exception) -> Refusal:
    why = (
        "nested too deeply" if isinstance(fault, RecursionError) else str(fault).partition("\n")[0]
    )
    detail = f"the type's JSON Schema cannot be used: {why[:300]}"
    return Refusal(code="invalid_schema", field="json_schema", detail=detail)
