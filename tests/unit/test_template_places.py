"""Values in a request, escaped by the place they stand in: a table for each (M6, M7)."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookstream.model.escape import loaded
from hookstream.model.template import Place, Template

EVIL = '"}, ${event.id} {{ event.id }} {% if x %} \\ /../ ?&=#%\r\n<>'


def rendered(text: str, place: Place, value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return str(Template(text, place).render({"v": loaded(data)}))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a%20b"),
        ("a/b", "a%2Fb"),
        ("@evil.example", "%40evil.example"),
        ("//evil.example", "%2F%2Fevil.example"),
        ("\\evil", "%5Cevil"),
        ("%2F", "%252F"),
        ("a?b#c;d", "a%3Fb%23c%3Bd"),
        ("x\r\ny", "x%0D%0Ay"),
        ("ž", "%C5%BE"),
        ("a-b_c.d~e", "a-b_c.d~e"),
        (b"1.10", "1.10"),
        (True, "true"),
        (None, ""),
        ([1, "a"], "%5B1%2C%22a%22%5D"),
    ],
)
def test_in_a_url_path(value: Any, text: str) -> None:
    assert rendered("https://a.example/x/${v}/y", "url", value) == f"https://a.example/x/{text}/y"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a%20b"),
        ("a&b=c", "a%26b%3Dc"),
        ("a+b", "a%2Bb"),
        ("?#", "%3F%23"),
        ("a/..", "a%2F.."),
        ("\n", "%0A"),
        (b"-0.50", "-0.50"),
        ({"a": 1}, "%7B%22a%22%3A1%7D"),
        (None, ""),
    ],
)
def test_in_a_url_query_and_in_a_form(value: Any, text: str) -> None:
    assert rendered("https://a.example/?x=${v}&y", "url", value) == (
        f"https://a.example/?x={text}&y"
    )
    assert rendered("x=${v}&y=1", "form", value) == f"x={text}&y=1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("a\r\nX-Evil: 1", "a X-Evil: 1"),
        ("a\x00b\x7fc", "a b c"),
        ("50% off", "50% off"),
        ("Žofie", "%C5%BDofie"),
        (b"1.10", "1.10"),
        (False, "false"),
        (None, ""),
        ([1], "[1]"),
    ],
)
def test_in_a_header(value: Any, text: str) -> None:
    assert rendered("Bearer ${v}", "header", value) == f"Bearer {text}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ('say "no"', 'say \\"no\\"'),
        ("back\\slash", "back\\\\slash"),
        ("two\nlines", "two\\nlines"),
        ("\x01", "\\u0001"),
        ("ž", "ž"),
        (b"1.10", "1.10"),
        (True, "true"),
        (None, ""),
        ({"a": [1]}, '{\\"a\\":[1]}'),
    ],
)
def test_within_the_quotes_of_a_json_string(value: Any, text: str) -> None:
    assert rendered('{"k":"<${v}>"}', "json", value) == f'{{"k":"<{text}>"}}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", '"plain"'),
        ('say "no"\n', '"say \\"no\\"\\n"'),
        (b"1.10", "1.10"),
        (b"1e5", "1e5"),
        (b"-0.0", "-0.0"),
        (b"12345678901234567890123", "12345678901234567890123"),
        (True, "true"),
        (None, "null"),
        (b'{"a":[1.50,null,"x"]}', '{"a":[1.50,null,"x"]}'),
        ([], "[]"),
    ],
)
def test_outside_of_quotes_a_value_is_json_itself(value: Any, text: str) -> None:
    assert rendered('{"k":${v}}', "json", value) == f'{{"k":{text}}}'


def test_what_is_not_there_is_null_outside_of_quotes_and_nothing_within() -> None:
    assert rendered('{"a":${no.such},"b":"${no.such}"}', "json", 1) == '{"a":null,"b":""}'


def test_braces_of_json_beside_an_expression_stay_braces() -> None:
    assert rendered('{${v}:{"a":{"b":${v}}}}', "json", "k") == '{"k":{"a":{"b":"k"}}}'


def test_json_made_by_the_filter_is_not_quoted_again() -> None:
    assert rendered('{"a":${v | json},"b":"${v | json}"}', "json", [1]) == '{"a":[1],"b":"[1]"}'
    assert rendered("${v | json | append: ''}", "json", [1]) == '"[1]"'


@pytest.mark.parametrize("value", ["a<b>&\n", '"x"'])
def test_as_plain_text_a_value_is_itself(value: str) -> None:
    assert rendered("x: ${v}", "text", value) == f"x: {value}"


def test_what_a_capture_collects_is_escaped_once_when_it_is_written() -> None:
    text = '{% capture c %}<"${v}">{% endcapture %}{"a":"${c}","b":${c}}'
    assert json.loads(rendered(text, "json", '"')) == {"a": '<""">', "b": '<""">'}


@given(value=st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
))  # fmt: skip
@settings(derandomize=True, deadline=None, max_examples=100)
def test_any_value_stays_one_value_of_json(value: Any) -> None:
    made = json.loads(rendered('{"raw":${v},"text":"${v}","after":1}', "json", value))
    assert list(made) == ["raw", "text", "after"]
    assert made["raw"] == value
    assert isinstance(made["text"], str)


@pytest.mark.parametrize("place", ["json", "form", "text", "header", "url"])
def test_expressions_within_data_are_never_evaluated(place: Place) -> None:
    template = Template('/${v}"${v}"', place)
    values = {"v": EVIL, "event": {"id": "evaluated"}, "x": True}
    assert "evaluated" not in template.render(values)
