"""What gets in, and with which words the rest is refused."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookstream.model.checks import check, check_data
from hookstream.model.errors import Refusal
from hookstream.model.json_data import check_json
from hookstream.model.records import EventType, Workspace
from tests.unit.values import a_workspace, an_event

SCHEMA = b"""{"type": "object", "required": ["id"],
    "properties": {"n": {"type": "array", "items": {"type": "integer"}}}}"""


def checked(
    workspace: Workspace | None = None, event_type: EventType | None = None, **changes: Any
) -> Refusal | None:
    workspace = workspace or a_workspace()
    names = ("contact.created", "deal.won")
    return check(an_event(**changes), workspace, event_type, lambda: names, {"crm"}.__contains__)


def a_type(**changes: Any) -> EventType:
    return EventType(**{"workspace": "ws_1", "name": "contact.created", "version": 1, **changes})


def test_a_plain_event_gets_in() -> None:
    assert checked() is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": "a.b"}, "invalid_id"),
        ({"id": ""}, "invalid_id"),
        ({"type": ""}, "invalid_type"),
        ({"type": "contact created"}, "invalid_type"),
        ({"type": "x" * 129}, "invalid_type"),
        ({"type": "contact.*"}, "invalid_type"),
        ({"type": 'a"b'}, "invalid_type"),
        ({"created_at_ms": -1}, "invalid_created_at"),
        ({"created_at_ms": 10**15}, "invalid_created_at"),
        ({"subject": ""}, "invalid_subject"),
        ({"subject": "x" * 257}, "invalid_subject"),
        ({"subject": "a\nb"}, "invalid_subject"),
        ({"source": "a\x00"}, "invalid_source"),
        ({"webhook": "nobody"}, "unknown_webhook"),
        ({"data": b""}, "invalid_json"),
        ({"data": b'"' + b"x" * 262_144 + b'"'}, "too_large"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], code: str) -> None:
    refusal = checked(**changes)
    assert refusal is not None
    assert refusal.code == code


def test_an_event_from_1970_for_an_addressed_webhook_gets_in() -> None:
    assert checked(created_at_ms=0, webhook="crm", subject="user 1", source="app") is None


@pytest.mark.parametrize("changes", [{"state": "deleted"}, {"id": "ws_2"}])
def test_a_deleted_workspace_or_anothers_is_unknown(changes: dict[str, Any]) -> None:
    refusal = checked(a_workspace(**changes))
    assert refusal is not None
    assert refusal.code == "unknown_workspace"


def test_an_unknown_type_is_refused_where_the_workspace_says_so_with_near_names() -> None:
    strict = a_workspace(unknown_types="refuse")
    refusal = checked(strict, type="contact.craeted")
    assert refusal is not None
    assert (refusal.code, refusal.hint) == ("unknown_type", "did you mean contact.created?")
    assert checked(strict, a_type()) is None
    assert checked(strict, a_type(state="deleted")) is not None
    assert checked(type="anything.else") is None


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":NaN}', b"[1e999]", b"[Infinity]", b'{"a":"\x01"}', b'{"a":"\xff"}', b'"\xc0\x80"',
        b'"\xed\xa0\x80"', b'{"a":1}x', b'"\\ud800"', b'"\\ud800x"', b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}', b'{"x":{"a":1,"a":1}}', b'[{"a:":1,"a:":"\\u003a"}]',
        b"[01]", b"[1,]", b"\xef\xbb\xbf{}", b"", b" ", b'"\\x41"', b"[1.]", b"[+1]", b"{'a':1}",
        b"{}{}", b"[" * 100_000 + b"]" * 100_000, b'{"a":1,"a":"\\u003A"}',
    ],
)  # fmt: skip
def test_json_that_readers_could_understand_differently_is_refused(data: bytes) -> None:
    refusal = check_json(data)
    assert refusal is not None
    assert refusal.code == "invalid_json"


@pytest.mark.parametrize(
    "data",
    [
        b"{}", b" [1] \n", b"null", b'"\\u0000"', b"[123456789012345678901234567890]", b"1.10",
        b'{"a":"\\u003a","b":":"}', b'[{"a":1},{"a":2}]', '{"ü":"ö"}'.encode(), b'"\\ud83d\\ude00"',
    ],
)  # fmt: skip
def test_other_json_is_taken(data: bytes) -> None:
    assert check_json(data) is None


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b:", ":"]), inner),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(_values, st.booleans())
def test_whatever_python_writes_is_taken(value: Any, ascii_only: bool) -> None:
    assert check_data(json.dumps(value, ensure_ascii=ascii_only).encode(), 10**6) is None


def test_a_schema_is_enforced_and_the_fault_named_by_its_path() -> None:
    fitting = a_type(json_schema=SCHEMA)
    assert checked(None, fitting, data=b'{"id":1,"n":[1]}') is None
    refusal = checked(None, fitting, data=b'{"id":1,"n":[1,"x"]}')
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("schema_mismatch", "data.n[1]")


def test_a_schema_that_got_in_with_a_reference_elsewhere_asks_nobody() -> None:
    remote = a_type(json_schema=b'{"$ref":"http://127.0.0.1:9/x"}')
    refusal = checked(None, remote)
    assert refusal is not None
    assert refusal.code == "invalid_schema"
