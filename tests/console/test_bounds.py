"""What one request, and one key, may ask of the console."""

from collections.abc import Iterator

import httpx2
import pytest

from services.console.body_limit import MOST_BYTES
from tests.console.served import Side
from tests.console.test_webhooks import URL, refused

_MIB = b" " * 1024 * 1024


def posted(side: Side, content: bytes | Iterator[bytes]) -> httpx2.Response:
    """This body, as JSON, for a new webhook."""
    headers = {"X-API-KEY": side.keys["admin"], "Content-Type": "application/json"}
    return httpx2.post(f"{side.url}/v1/webhooks", content=content, headers=headers, timeout=60)


def pieces(count: int) -> Iterator[bytes]:
    yield from (_MIB for _ in range(count))
    yield b'{"url":"%b"}' % URL.encode()


def test_a_body_above_8_mib_is_refused_by_its_length(side_of_file: Side) -> None:
    assert len(_MIB) * 8 == MOST_BYTES
    answer = posted(side_of_file, _MIB * 8 + b"{")
    assert "less" in refused(answer, 413, "body_too_large")


def test_a_body_without_a_length_is_refused_on_the_way(side_of_file: Side) -> None:
    refused(posted(side_of_file, pieces(9)), 413, "body_too_large")


def test_what_is_below_is_read(side_of_file: Side) -> None:
    assert posted(side_of_file, pieces(7)).status_code == 202
    body = b'{"url":"%b"}' % URL.encode()
    assert posted(side_of_file, _MIB * 8).status_code == 400
    assert posted(side_of_file, _MIB * 7 + body).status_code == 202


@pytest.mark.parametrize("path", ["/v1/webhooks", "/v1/none-such", "/"])
def test_the_bound_holds_on_every_path_and_before_the_key_is_looked_at(
    side_of_file: Side, path: str
) -> None:
    headers = {"Content-Length": str(MOST_BYTES + 1)}
    with httpx2.Client(base_url=side_of_file.url, timeout=60) as client:
        answer = client.post(path, content=iter([_MIB] * 8 + [b"x"]), headers=headers)
    refused(answer, 413, "body_too_large")


def test_every_answer_to_a_key_says_where_it_stands(side_of_file: Side) -> None:
    for path in ("/v1/webhooks", "/v1/webhooks/none-such", "/v1/openapi.json"):
        headers = side_of_file.call("GET", path).headers
        assert headers["ratelimit-policy"] == '"key";q=2000;w=10'
        assert headers["ratelimit"].startswith('"key";r=')
    without = httpx2.get(f"{side_of_file.url}/v1/openapi.json", timeout=60)
    assert "ratelimit" not in without.headers
