"""What an answer says: its reason for people, and values by JMESPath, however evil both are."""

import json
from time import process_time
from typing import Any

import pytest

from hookstream.model.expression import KNOWN, MAX_LENGTH, check_expression, check_extract
from hookstream.model.extract import MAX_REASON, MAX_VALUES, NOTHING, said, stated

ORDER = (
    b'{"order":{"id":"o-1","total":1.10,"items":[{"sku":"a","n":2},{"sku":"b","n":0}]},"ok":true}'
)


def values(body: bytes, **extract: str) -> tuple[dict[str, Any], str | None]:
    found = said(body, False, extract, "crm")
    assert found.values is not None
    ((system_name, inner),) = json.loads(found.values).items()
    assert system_name == "crm"
    return inner, found.note


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"reason":"no stock"}', "no stock"),
        (b' {"ok":false,"reason":"no stock","more":[1,{"reason":"x"}]}\n', "no stock"),
        (b'{"reason":"two\\nlines\\tand\\u0000\\u001b[31m\\u202etxt"}', "two lines and [31m txt"),
        (b'{"reason":"<script>alert(1)</script>"}', "<script>alert(1)</script>"),
        ('{"reason":"erschöpft \U0001f600"}'.encode(), "erschöpft \U0001f600"),
        (b'{"reason":"' + b"x" * 5_000 + b'"}', "x" * MAX_REASON),
        (b'{"reason":""}', None),
        (b'{"reason":" \\n "}', None),
        (b'{"reason":7}', None),
        (b'{"reason":null}', None),
        (b'{"reason":["no"]}', None),
        (b'{"inner":{"reason":"no"}}', None),
        (b'["reason"]', None),
        (b'[{"reason":"no"}]', None),
        (b'"reason"', None),
        (b'<p class="reason">no</p>', None),
        (b'{"reason":"cut of', None),
        (b'{"reason":"\xff"}', None),
        (b'{"reason":"\\ud800"}', None),
        (b'{"reason":' + b"[" * 60_000, None),
        (b"", None),
        (b"ok", None),
    ],
)  # fmt: skip
def test_p5_the_reason_of_any_json_answer(body: bytes, reason: str | None) -> None:
    assert said(body, False, {}, "crm").reason == reason
    assert said(body, False, {"n": "order.id"}, "crm").reason == reason


def test_an_answer_without_a_reason_is_not_looked_at_again() -> None:
    assert said(ORDER, False, {}, "crm") is NOTHING
    assert said(b'{"reason":"no stock"', True, {}, "crm") is NOTHING


def test_a_reason_is_one_line_of_text() -> None:
    assert stated("  a\r\n\r\n b\x85c\u2028d ") == "a b c d"
    assert stated("\x00") is None
    assert stated(None) is None


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("order.id", "o-1"),
        ("order.total", 1.1),
        ("order.items[0].sku", "a"),
        ("order.items[-1].sku", "b"),
        ("order.items[*].sku", ["a", "b"]),
        ("order.items[?n > `0`].sku | [0]", "a"),
        ("length(order.items)", 2),
        ("{id: order.id, first: order.items[0]}", {"id": "o-1", "first": {"sku": "a", "n": 2}}),
        ("sort_by(order.items, &n)[0].sku", "b"),
        ("sum(order.items[].n)", 2),
        ("ok", True),
        ("@.ok", True),
        ("no.such.thing", None),
        ("order.items[7]", None),
        ("`{\"a\": 1}`", {"a": 1}),
    ],
)  # fmt: skip
def test_m8_values_are_found_by_jmespath(expression: str, value: Any) -> None:
    assert check_expression(expression, "extract.v") is None
    assert values(ORDER, v=expression) == ({"v": value}, None)


def test_m8_numbers_texts_and_nothing_keep_what_they_are() -> None:
    body = '{"a":12345678901234567890,"b":"ü\\u0000","c":null,"d":[]}'.encode()
    found, note = values(body, a="a", b="b", c="c", d="d", e="e")
    assert found == {"a": 12345678901234567890, "b": "ü\0", "c": None, "d": [], "e": None}
    assert note is None


@pytest.mark.parametrize(
    ("body", "is_cut", "note"),
    [
        (b"", False, "no body"),
        (b"<html></html>", False, "not JSON"),
        (b'{"order":', False, "not JSON"),
        (b"\xff\xfe", False, "not JSON"),
        (b"[" * 60_000, False, "not JSON"),
        (ORDER, True, "too long"),
    ],
)
def test_m8_without_json_all_is_null_and_a_note_says_why(
    body: bytes, is_cut: bool, note: str
) -> None:
    found = said(body, is_cut, {"a": "order.id", "b": "ok"}, "crm")
    assert json.loads(found.values or b"") == {"crm": {"a": None, "b": None}}
    assert note in (found.note or "")


def test_m8_a_faulty_value_is_null_by_itself_and_the_note_names_it() -> None:
    found, note = values(ORDER, total="sum(order.items[].sku)", id="order.id")
    assert found == {"total": None, "id": "o-1"}
    assert note is not None
    assert note.startswith("total: ")


def test_values_are_bounded_together() -> None:
    body = json.dumps({"long": "x" * 9_000}).encode()
    found, note = values(body, a="long", b="long", c="`1`")
    assert (len(found["a"]), found["b"], found["c"]) == (9_000, None, 1)
    assert str(MAX_VALUES) in (note or "")


@pytest.mark.parametrize(
    "expression",
    [
        "", "a b", "a[", "a..b", "`", "[?", "a" * (MAX_LENGTH + 1), "(" * 500, "a" + "|a" * 60,
        "system('x')", "to_string(@)", "join(',', a)", "length()", "length(a, b)", "merge()",
        "[@,@]" + "|[@,@]" * 5, "[@,@][]" + "|[@,@][]" * 5, "{a:@,b:@}" + "|{a:@,b:@}" * 6,
        "map(&[@,@], map(&[@,@], map(&[@,@], map(&[@,@], map(&[@,@], @)))))",
        "[" + ",".join("@" * 17) + "]",
    ],
)  # fmt: skip
def test_an_expression_that_would_not_do_is_refused_by_its_field(expression: str) -> None:
    refusal = check_expression(expression, "extract.total")
    assert refusal is not None
    assert refusal.field == "extract.total"
    assert refusal.detail


WIDE = b"[" + b",".join([b"{}"] * 21_000) + b"]"
FLAT = b"[" + b",".join([b"[1]"] * 16_000) + b"]"
DEEP = b'{"a":' * 300 + b"1" + b"}" * 300


@pytest.mark.parametrize("body", [WIDE, FLAT, DEEP, b'"' + b"9" * 60_000 + b'"', b"9" * 60_000])
@pytest.mark.parametrize(
    "expression",
    [
        "[*].{a:a,b:b,c:c,d:d,e:e,f:f,g:g,h:h}",
        "[@,@]|[@,@]|[@,@]|[@,@]",
        "[@,@][]|[@,@][]|[@,@][]|[@,@][]" + "[]" * 40,
        "sort_by(@, &a)", "map(&a, @)", "@ == @", "[?a == b]", "[::0]", "[::-1]",
        "to_number(@)", "ceil(to_number(@))", "reverse(@)", "sort(@)", "max(@)", "sum([])",
        "a.a.a.a.a.a.a", "*.*.*.*", "[*][*][*]", "&a", "not_null(a, &b)", "@",
        "contains(@, `1`)", "a || b || c", "[99999999999999999999999999]",
    ],
)  # fmt: skip
def test_no_answer_and_no_expression_takes_long(expression: str, body: bytes) -> None:
    """Twenty of the worst on 64 KiB: a fraction of a second, whatever comes of it."""
    extract = {f"v{number}": expression for number in range(20)}
    began = process_time()
    found = said(body, False, extract, "crm")
    assert process_time() - began < 5
    assert found.values is not None
    assert len(found.values) < MAX_VALUES + 1_000
    assert json.loads(found.values)["crm"].keys() == extract.keys()


def test_the_first_expression_that_would_not_do_is_named() -> None:
    assert check_extract({"a": "order.id", "b": "ok"}) is None
    refusal = check_extract({"a": "order.id", "b": "a[", "c": ""})
    assert refusal is not None
    assert refusal.field == "extract.b"


def test_what_is_evaluated_is_known_by_name() -> None:
    assert {"length", "sort_by", "to_number"} <= KNOWN
    assert not {"to_string", "join"} & KNOWN
