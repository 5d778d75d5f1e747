"""What a webhook may set, and where it may point."""

import pytest

from hookstream.model.headers import check_header
from hookstream.model.urls import check_url


@pytest.mark.parametrize("name", ["X-Key", "Authorization", "content-type", "User-Agent", "!#$"])
def test_headers_that_may_be_set(name: str) -> None:
    assert check_header(name, b"a value\t\xe9", "x-signature") is None


@pytest.mark.parametrize(
    "name",
    [
        "Host", "content-length", "Transfer-Encoding", "connection", "Keep-Alive", "TE", "trailer",
        "Upgrade", "expect", "Proxy-Authorization", "Webhook-Id", "webhook-x", "X-Signature",
        "", "a b", "a:b", "a\r\n", "é", "a\x00", "x" * 129,
    ],
)  # fmt: skip
def test_names_that_may_not(name: str) -> None:
    assert check_header(name, b"v", "x-signature") is not None


@pytest.mark.parametrize("value", [b"a\r\nb", b"\x00", b"\x7f", b" a", b"a\t", b"x" * 4097])
def test_values_that_may_not(value: bytes) -> None:
    refusal = check_header("X-Key", value)
    assert refusal is not None
    assert refusal.code == "invalid_header_value"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com", "https://example.com:8443/a?b=c%20d", "http://[2001:db8::1]:80/",
        "https://bücher.example/x", "http://127.0.0.1:3000/", "https://a_b.example.com/~x;y",
    ],
)  # fmt: skip
def test_urls_that_may_be_used(url: str) -> None:
    assert check_url(url, https_only=False) is None


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "ftp://example.com", "https://", "https://u:p@example.com", "https://@a",
        "https://example.com/#x", "https://example.com:0/", "https://example.com:99999/",
        "https://example.com:/", "https://exa mple.com", "https://example.com/\r\nx", "https://a..b",
        "https://-a.com", "https://[fe80::1%25eth0]/", "https://[::zz]/", "https://a.com/%zz",
        "https://a.com\\@b.com/", "https://" + "a" * 64 + ".com", "https://a.com/" + "x" * 2048,
        "javascript:alert(1)", "https://a.com/é\x85", "https://\ud800.com",
    ],
)  # fmt: skip
def test_urls_that_may_not(url: str) -> None:
    assert check_url(url, https_only=False) is not None


def test_http_is_refused_where_https_is_asked_for() -> None:
    assert check_url("http://example.com", https_only=True) is not None
    assert check_url("https://example.com", https_only=True) is None
