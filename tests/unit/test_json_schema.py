"""Schemas are enforced, and no schema or payload takes more than its steps."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hookstream.model.json_schema import check_schema, check_schema_itself

LOOKS_BACK = "^(a+)+$"
SLOW = "([ab]*a[ab]{15}){30}c"


def doubling(times: int) -> dict[str, Any]:
    """Each definition refers to the next one twice."""
    steps = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(times)}
    return {"$ref": "#/$defs/d0", "$defs": {**steps, f"d{times}": {"type": "object"}}}


def nested(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels):
        found = {"x": found}
    return found


def names(number: int) -> dict[str, Any]:
    """Members that are no keywords, or names of properties."""
    return {f"k{n}": {} for n in range(number)}


TWICE_A_LEVEL = {"properties": {"x": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}


def told(schema: Any, data: Any) -> str | None:
    """What `data` is refused with."""
    refusal = check_schema(json.dumps(schema).encode(), json.dumps(data).encode())
    return f"{refusal.code}: {refusal.detail}" if refusal else None


@pytest.mark.parametrize(
    "schema",
    [
        b"[]",
        b"{",
        b'{"type":"nothing"}',
        b'{"$ref":"http://127.0.0.1/x"}',
        b'{"a":' + b" " * 65_536,
        b'{"pattern":"["}',
        b'{"pattern":"(?=a)"}',
        b'{"properties":{"a":{"patternProperties":{"(a)\\\\1":{}}}}}',
        b'{"pattern":"' + b"a" * 1001 + b'"}',
        b'{"unevaluatedProperties":false,"allOf":[{"patternProperties":{"a":{}}}]}',
    ],
)
def test_a_schema_that_is_none_or_cannot_be_used_is_refused(schema: bytes) -> None:
    refusal = check_schema_itself(schema)
    assert refusal is not None
    assert refusal.code == "invalid_schema"
    later = check_schema(schema, b"{}")
    assert later is not None
    assert later.code == "invalid_schema"


def test_a_schema_may_refer_to_itself() -> None:
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"x": {"$ref": "#/$defs/a"}}}}}
    assert check_schema_itself(json.dumps(schema).encode()) is None
    assert told(schema, nested(50)) is None


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        pytest.param(doubling(60), {}, id="references that multiply"),
        pytest.param(TWICE_A_LEVEL, nested(40), id="references that multiply by the data"),
        pytest.param(
            {"unevaluatedProperties": False, **doubling(60)}, {"a": 1}, id="before unevaluated"
        ),
        pytest.param({"anyOf": [{"type": "string"}] * 3000}, [1] * 40_000, id="long messages"),
        pytest.param({"items": {"enum": list(names(6000))}}, [1] * 60_000, id="comparisons"),
        pytest.param({"items": {"required": list(names(6000))}}, [{}] * 60_000, id="many faults"),
        pytest.param(
            {"items": {"dependentRequired": {"k1": list(names(6000))}}},
            [{"k1": 1}] * 20_000,
            id="many faults of one member",
        ),
        pytest.param({"items": names(5000)}, [1] * 60_000, id="no keywords"),
        pytest.param({"unevaluatedItems": {}}, [1] * 60_000, id="looked up in a list"),
        pytest.param(
            {
                "additionalProperties": False,
                "patternProperties": {f"^x{n}$": {} for n in range(99)},
            },
            names(20_000),
            id="patterns by names",
        ),
        pytest.param({"allOf": [{"pattern": SLOW}] * 9}, "ab" * 50_000, id="a slow pattern"),
    ],
)
def test_what_would_take_too_long_is_refused(schema: Any, data: Any) -> None:
    assert "takes more than 100000 steps" in str(told(schema, data))


def test_no_text_makes_a_pattern_take_for_ever() -> None:
    assert str(told({"pattern": LOOKS_BACK}, "a" * 100_000 + "!")).startswith("schema_mismatch")
    assert told({"pattern": LOOKS_BACK}, "a" * 100_000) is None


def test_a_character_by_its_number_in_a_pattern() -> None:
    assert told({"pattern": "^[\\u00e0-\\u00ff]+$"}, "éè") is None
    assert told({"pattern": "^\\\\u00e9$"}, "\\u00e9") is None  # a backslash, and u00e9


def test_data_nested_too_deeply_for_a_schema_is_refused() -> None:
    assert "nested too deeply" in str(told({"properties": {"x": {"$ref": "#"}}}, nested(400)))


_SIMPLE = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.0, 1.0, 0.5]))
_TEXT = st.sampled_from(["", "a", "ab", "b", "x1", "é"])
_DATA = st.recursive(
    _SIMPLE | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)
_PATTERN = st.sampled_from(["a", "^a", "b$", "^x\\d$", "^$"])
_LEAF = st.one_of(
    st.booleans(),
    st.builds(lambda p: {"pattern": p}, _PATTERN),
    st.builds(lambda t: {"type": t}, st.sampled_from(["string", "integer", "object", "array"])),
    st.builds(lambda v: {"const": v}, _DATA),
    st.builds(lambda v: {"enum": v}, st.lists(_DATA, min_size=1, max_size=3)),
    st.just({"uniqueItems": True}),
    st.builds(lambda names: {"required": names}, st.lists(_TEXT, max_size=2, unique=True)),
)
_SCHEMAS = st.recursive(
    _LEAF,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(_TEXT, inner, max_size=2),
            "patternProperties": st.dictionaries(_PATTERN, inner, max_size=2),
            "additionalProperties": inner,
            "propertyNames": inner,
            "items": inner,
            "contains": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(_SCHEMAS, _DATA)
def test_the_verdict_is_the_librarys(schema: Any, data: Any) -> None:
    assert (told(schema, data) is None) == Draft202012Validator(schema).is_valid(data)
