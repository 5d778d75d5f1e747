"""A URL never leaves for another host (M1): neither when saved nor when rendered."""

import json
from typing import Any

import pytest
from msgspec import structs

from hookstream.model.opened import Opened, UnsendableError, rendering_of
from hookstream.model.request import request
from hookstream.model.template_syntax import TemplateError
from hookstream.model.urls import check_part, check_rendered, check_url, origin, same_origin
from tests.unit.values import a_delivery, a_webhook, an_event, unsigned

BARE, DEEP = "https://api.example", "https://api.example:8443/v1/"
PLAIN = a_webhook(policy=unsigned(), dynamic=True)


def url_of(url: str, data: Any) -> str:
    webhook = structs.replace(PLAIN, url=url)
    opened = Opened(rendering=rendering_of(webhook, ()))
    delivery = a_delivery(event=an_event(data=json.dumps(data).encode()))
    return request(webhook, delivery, opened, 0).url


@pytest.mark.parametrize(
    "part",
    [
        "@evil.example", ".evil.example", "evil.example", ":8080/x", ":80@evil.example/",
        "%40evil.example", "%2F%2Fevil.example", "%5C@evil.example", "\\@evil.example",
        "\\evil.example", "\n.evil.example", "\t@evil.example", " .evil", "${host}", "{{ host }}/x",
        "@{if x}/a@{end if}", "$.evil", "#@evil.example", "-evil.example", "//evil.example",
        "/a/../b", "/..", "/./a", "/%2e%2E/a", "/.%2e", "/${x}/../b",
    ],
)  # fmt: skip
def test_a_part_after_a_bare_host_begins_the_path(part: str) -> None:
    """Saved: a webhook's part, where its integration's root is no more than a host."""
    assert check_part(BARE, part) or check_url(BARE + part, https_only=True)


@pytest.mark.parametrize(
    "part", ["", "/", "/hook", "?a=b", "/${x}", "?a=${x}", "/a/@{if x}b@{end if}", "/a?x=/../"]
)
def test_parts_that_may_follow_a_bare_host(part: str) -> None:
    assert check_part(BARE, part) is None
    assert check_url(BARE + part, https_only=True) is None


@pytest.mark.parametrize(
    "part",
    ["/../../admin", "..", "a/../../b", "%2e%2e/a", "a\\b", "a\r\nb", "a b", "x{y}", "a#b", "%zz",
     "%${x}", "/evil.example/..", "${x}#f", "${x", "@{if x}"],
)  # fmt: skip
def test_parts_that_may_not_follow_a_path(part: str) -> None:
    assert check_part(DEEP, part) or check_url(DEEP + part, https_only=True)


@pytest.mark.parametrize(
    "part",
    ["x", "${x}", "@evil.example", ".evil.example", "%40evil.example", "a..b", "...", "..a/b",
     "${x}/y?z=${z | default: 'q'}", "%2F%2Fevil.example", "@{for i in y}${i}/@{end for}"],
)  # fmt: skip
def test_behind_a_slash_nothing_is_a_host(part: str) -> None:
    assert check_part(DEEP, part) is None
    assert check_url(DEEP + part, https_only=True) is None
    assert origin(DEEP + part) == "https://api.example:8443"


@pytest.mark.parametrize(
    "url",
    [
        "${scheme}://a.example/", "https://${host}/x", "https://a.example${x}", "https://a.${x}/",
        "https://a.example:${port}/", "{{ url }}", "https://@{if x}a@{else}b@{end if}.example/",
        "https://u:${p}@a.example/", "https://u@a.example/${x}", "http://a.example/${x}",
        "https://a.example/${x}#f", "https://a.example/${x | nope}", "https://a.example/${x",
        "https://a.example/${x}/{y}", "https://a.example/ ${x}", "https://a..b/${x}",
        "https://a.example/" + "${x}" * 600, "https://a.example/x/../${x}",
    ],
)  # fmt: skip
def test_expressions_stand_in_path_and_query_only(url: str) -> None:
    refusal = check_url(url, https_only=True)
    assert refusal is not None
    assert refusal.field == "url"


@pytest.mark.parametrize(
    ("root", "whole", "same"),
    [
        (BARE, BARE, True),
        (BARE, BARE + "/x", True),
        (BARE, BARE + "?x", True),
        (BARE, BARE + ":443/", False),
        (BARE, "http://api.example/", False),
        (BARE, "https://API.example/", False),
        (BARE, BARE + "@evil.example/", False),
        (BARE, BARE + "#x", False),
        (BARE, BARE + "\\x", False),
        (DEEP, DEEP + "x", True),
        (DEEP, "https://api.example/v1/x", False),
        ("", "", False),
        ("nonsense", "nonsense/x", False),
    ],
)
def test_the_same_origin_is_the_same_letters(root: str, whole: str, same: bool) -> None:
    assert same_origin(root, whole) is same


EVIL = [
    "@evil.example", "//evil.example", "/evil.example", ".evil.example", "\\evil.example",
    "\\\\evil.example", "%2F%2Fevil.example", "%40evil.example", "%5Cevil", "?a=b", "#a", "a\r\nb",
    "\n", "\t", ":80", "a/../../b", "../..", "https://evil.example/", "\ue000", "ž", "\x00",
]  # fmt: skip


@pytest.mark.parametrize("value", EVIL)
@pytest.mark.parametrize("url", [BARE + "/${v}", DEEP + "${v}/x", DEEP + "x?q=${v}"])
def test_a_value_rendered_into_a_url_stays_where_it_is(url: str, value: str) -> None:
    made = url_of(url, {"v": value})
    before, after = url.split("${v}")
    assert made.startswith(before)
    assert made.endswith(after)
    inside = made[len(before) : len(made) - len(after)]
    assert not set(inside) & set("/?#@\\:&= \r\n\t\x00")


@pytest.mark.parametrize(
    ("url", "data"),
    [
        (DEEP + "${v}", {"v": ".."}),
        (DEEP + "${v}/x", {"v": "."}),
        (DEEP + "a/${v}?q", {"v": ".."}),
        (DEEP + "${v}.", {"v": "."}),
        (DEEP + "${a}${b}/x", {"a": ".", "b": "."}),
        (DEEP + "%2e${v}", {"v": "."}),
        (BARE + "/${v}/x", {"v": ""}),
        (DEEP + "${v}", {"v": "x" * 2_048}),
        (BARE + "@{if v}/@{end if}x", {"v": False}),
    ],
)
def test_a_url_that_would_step_out_of_its_path_fails_the_delivery(url: str, data: Any) -> None:
    with pytest.raises((TemplateError, UnsendableError)):
        url_of(url, data)


def test_dots_within_a_query_or_a_name_are_none_of_these() -> None:
    assert url_of(DEEP + "a..b/...?q=${v}", {"v": "/../"}).endswith("/a..b/...?q=%2F..%2F")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        BARE + ".evil/",
        BARE + "//x",
        BARE + "/ x",
        BARE + "/#",
        BARE + "/%",
    ],
)
def test_the_last_look_at_a_rendered_url(url: str) -> None:
    assert check_rendered(BARE, url) is not None
    assert check_rendered(BARE, BARE + "/x?y") is None
