"""A request as HTTP/1.1 has it on the wire, written in one piece. Pure."""

from collections.abc import Iterable

FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection"})
"""Ours alone to write: two lengths on one message are a smuggler's tool."""
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_APART = 65_536


class Unwritable(ValueError):
    """A header or a path would end its line early, and so stand for something else."""


def written(
    method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> tuple[bytes, ...]:
    """The bytes of a request, a big body apart. Raises `Unwritable`.

    `target`: from the path on to the end of the header Host, as it is for each request to a URL.
    """
    lines = [b"%b: %b\r\n" % line for line in headers if line[0].lower() not in FRAMING]
    if body or method not in _WITHOUT_BODY:
        lines.append(b"Content-Length: %d\r\n" % len(body))
    head = b"%b %b%b\r\n" % (method.encode("ascii"), target, b"".join(lines))
    ends = len(lines) + 3
    if head.count(b"\r") != ends or head.count(b"\n") != ends or b"\0" in head:
        raise Unwritable("a control character in the head of a request")
    return (head + body,) if len(body) < _APART else (head, body)


def target_of(path: str, host: str) -> bytes:
    """What `written` takes."""
    return f"{path} HTTP/1.1\r\nHost: {host}\r\n".encode()
