"""What is written for a request: exact bytes, and nothing that would split the message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.deliverer.wire import Unwritable, target_of, written

TARGET = target_of("/a?b", "x:8080")
VALUES = st.binary(max_size=40)
NAMES = st.text("abcdef-", min_size=1, max_size=8).map(str.encode)


def test_a_request_is_one_piece_with_host_and_length() -> None:
    [whole] = written("POST", TARGET, [(b"x-a", b"\xc3\xa9")], b"{}")
    assert whole == (
        b"POST /a?b HTTP/1.1\r\nHost: x:8080\r\nx-a: \xc3\xa9\r\nContent-Length: 2\r\n\r\n{}"
    )


@pytest.mark.parametrize(
    ("method", "has_length"), [("GET", False), ("POST", True), ("DELETE", True), ("PUT", True)]
)
def test_a_request_without_body_says_so_where_one_is_expected(
    method: str, has_length: bool
) -> None:
    [whole] = written(method, TARGET, [], b"")
    assert (b"Content-Length: 0\r\n" in whole) is has_length


def test_a_big_body_is_not_copied() -> None:
    body = b"x" * 100_000
    _, apart = written("POST", TARGET, [], body)
    assert apart is body


@given(headers=st.lists(st.tuples(NAMES, VALUES), max_size=5), body=VALUES)
def test_no_header_can_end_its_line(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    bad = any(byte in value for _, value in headers for byte in (b"\r", b"\n", b"\0"))
    try:
        whole = b"".join(written("POST", TARGET, headers, body))
    except Unwritable:
        assert bad
        return
    assert not bad
    head, _, rest = whole.partition(b"\r\n\r\n")
    assert rest == body
    assert [line.partition(b": ")[::2] for line in head.split(b"\r\n")[2:-1]] == headers


def test_a_path_cannot_end_its_line_either() -> None:
    with pytest.raises(Unwritable):
        written("GET", target_of("/a\r\nx: y", "x"), [], b"")
