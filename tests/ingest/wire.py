"""Raw HTTP over one connection: what a client library would never send, and never show."""

import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from tests.ingest.started import Started
from tests.system.bad_events import secret_of

EVENT = b'{"type":"a","data":1}'
WITHIN_S = 30


class Answer(NamedTuple):
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection. `read` and `closed` wait half a minute at most."""

    def __init__(self, connected: socket.socket, reader: BinaryIO) -> None:
        self.socket = connected
        self._reader = reader

    def send(self, *pieces: bytes) -> None:
        """Each piece by itself."""
        for piece in pieces:
            self.socket.sendall(piece)

    def read(self, body: bool = True) -> Answer:
        """The next answer. body: whether it has one, whatever its length says."""
        line = self._reader.readline()
        assert line.startswith(b"HTTP/1.1 "), line
        headers = {}
        while (field := self._reader.readline()) != b"\r\n":
            name, _, value = field.decode().partition(":")
            headers[name] = value.strip()
        length = int(headers.get("content-length", "0")) if body else 0
        return Answer(int(line.split()[1]), headers, self._reader.read(length))

    def closed(self) -> bool:
        """Whether the other side ends the connection, with nothing more said."""
        with contextlib.suppress(ConnectionResetError):
            return self._reader.read() == b""
        return True


@contextmanager
def wire(ingest: Started) -> Iterator[Wire]:
    """A connection to it."""
    address = ("127.0.0.1", int(ingest.url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=WITHIN_S) as connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connected.makefile("rb") as reader:  # open, it would keep the connection
            yield Wire(connected, reader)


def head(*lines: str, path: str = "/v1/events", version: str = "1.1") -> bytes:
    """Of a POST with a key that is valid, and these lines."""
    first = (f"POST {path} HTTP/{version}", "host: x", f"x-api-key: {secret_of('open')}")
    return "\r\n".join([*first, *lines, "", ""]).encode()


def request(body: bytes = EVENT, *lines: str, path: str = "/v1/events") -> bytes:
    """A whole one."""
    return head(f"content-length: {len(body)}", *lines, path=path) + body
