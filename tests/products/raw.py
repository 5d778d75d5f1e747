"""A receiver that does as it likes with each connection, below HTTP."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import time_ns
from typing import NamedTuple

from tests.fixtures.receiver import Receiver

Script = Callable[["Connection"], None]


class Request(NamedTuple):
    """What came on one connection, and when."""

    at_ms: float
    head: bytes
    body: bytes

    @property
    def path(self) -> str:
        """Of the request line."""
        return self.head.split(b" ", 2)[1].decode()


class Connection(NamedTuple):
    """One connection with its request; `before`: how many came for the same path."""

    socket: socket.socket
    request: Request
    before: int
    closing: threading.Event

    def drip(self, head: bytes, every_s: float = 0.05) -> float:
        """Send `head`, then a byte at a time till the other side hangs up; when, in ms."""
        try:
            self.socket.sendall(head)
            while not self.closing.wait(every_s):
                self.socket.sendall(b"x")
        except OSError:
            pass
        return time_ns() / 1e6

    def hold(self) -> None:
        """Say nothing, for as long as the test lasts."""
        self.closing.wait()


class Raw:
    """Listens on 127.0.0.1 and hands every request to `script`; then the connection closes."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Request] = []
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def of(self, path: str) -> list[Request]:
        """The requests for a path, in order of arrival."""
        return [request for request in self.requests if request.path == path]

    def close(self) -> None:
        """Hang up on all."""
        self._closing.set()
        self._server.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                accepted, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        with accepted:
            request = _read(accepted)
            if request is None:
                return
            with self._lock:
                before = len(self.of(request.path))
                self.requests.append(request)
            self.script(Connection(accepted, request, before, self._closing))


def _read(accepted: socket.socket) -> Request | None:
    raw = b""
    while b"\r\n\r\n" not in raw:
        if not (more := accepted.recv(65_536)):
            return None
        raw += more
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lines[0].partition(b":")[2]) if lines else 0
    while len(body) < length:
        body += accepted.recv(65_536)
    return Request(time_ns() / 1e6, head, body)


@contextmanager
def raw(script: Script) -> Iterator[Raw]:
    """A receiver for one test."""
    made = Raw(script)
    try:
        yield made
    finally:
        made.close()


def arrivals_ms(path: str, receiver: Receiver, other: Raw) -> tuple[float, ...]:
    """When requests for a path arrived, at whichever of two receivers serves it."""
    got = [got.at_ms for got in receiver.got if got.path == path]
    return tuple(got + [request.at_ms for request in other.of(path)])


def answered(status: int, reason: str = "x") -> bytes:
    """A whole answer without a body."""
    head = f"HTTP/1.1 {status} {reason}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    return head.encode()
