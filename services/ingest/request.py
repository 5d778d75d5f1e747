"""One request as it came over a connection, and the bytes of its answer."""

from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote

import httptools

from hookstream.model.records import ApiKey
from hookstream.process.tracing import Inert, Span
from services.ingest.body import Room
from services.ingest.head import Head
from services.ingest.problems import Headers

JSON, PROBLEM = b"application/json", b"application/problem+json"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_UNTRACED = Inert(None)


class Endpoint(Protocol):
    """What answers the requests of one path."""

    limit: int
    """The longest body."""

    def admit(self, request: "Request") -> None:
        """The head of a request whose body is still coming: `receive` the body, or answer."""

    def take(self, request: "Request") -> None:
        """A whole request: answer it, now or later."""


class Way(Protocol):
    """Where a request came from."""

    def receive(self) -> None:
        """The body may come."""

    def reply(self, answer: bytes, close: bool) -> None:
        """Answer the request that is looked at."""


class Request:
    """A request, from the end of its head on; `body` is whole when it is taken."""

    __slots__ = (
        "admitted",
        "began",
        "body",
        "close",
        "ended",
        "endpoint",
        "head",
        "headers",
        "key",
        "limit",
        "method",
        "pieces",
        "room",
        "span",
        "spilt",
        "url",
        "way",
    )

    def __init__(
        self,
        way: Way,
        method: bytes,
        url: bytes,
        headers: dict[bytes, bytes],
        endpoint: Endpoint,
        close: bool,
        began: float,
    ) -> None:
        """`close`: the connection ends with the answer. `began`: when its first byte was there."""
        self.way = way
        self.method = method
        self.url = url
        self.headers = headers
        self.endpoint = endpoint
        self.limit = endpoint.limit
        self.close = close
        self.began = began
        self.body = b""
        self.pieces: bytearray | None = None
        self.spilt = 0
        """Bytes beyond what is taken."""
        self.room: Room | None = None
        """What its body is held in while it comes in pieces."""
        self.admitted = self.ended = False
        self.head: Head | None = None
        self.key: ApiKey | None = None
        self.span: Span = _UNTRACED

    def add(self, piece: bytes) -> None:
        """More of the body; what is beyond the limit is counted and forgotten."""
        if self.pieces is None:
            if not self.body and len(piece) <= self.limit:
                self.body = piece
                return
            self.pieces, self.body = bytearray(self.body), b""
        self.pieces += piece
        if len(self.pieces) > self.limit:
            self.spilt += len(self.pieces) - self.limit
            del self.pieces[self.limit :]

    def received(self) -> int:
        """How much of the body has come."""
        return self.spilt + len(self.body if self.pieces is None else self.pieces)

    def whole(self) -> None:
        """No more of the body comes."""
        self.ended = True
        if self.room is not None:
            self.room.free()
        if self.pieces is not None:
            self.body, self.pieces = bytes(self.pieces), None


class Answers:
    """Writes answers; what they begin with is put together once a second, with the date."""

    def __init__(self) -> None:
        self._begun: dict[tuple[int, bytes], bytes] = {}
        self._date = b""
        self.renew()

    def renew(self) -> None:
        """Another second has begun."""
        self._date = formatdate(usegmt=True).encode()
        self._begun.clear()

    def write(
        self, request: Request, status: int, kind: bytes, body: bytes, more: Headers
    ) -> tuple[bytes, bool]:
        """The bytes of an answer, and whether it is the connection's last."""
        begin = self._begun.get((status, kind)) or self._begin(status, kind)
        if not more and not request.close and request.method != b"HEAD":
            return b"%b%d\r\n\r\n%b" % (begin, len(body), body), False
        close = request.close or any(name == b"connection" for name, _ in more)
        others = [line for line in more if line[0] != b"connection"]
        if close:
            others.append((b"connection", b"close"))
        lines = b"".join(b"%b: %b\r\n" % line for line in others)
        shown = b"" if request.method == b"HEAD" else body
        return b"%b%d\r\n%b\r\n%b" % (begin, len(body), lines, shown), close

    def _begin(self, status: int, kind: bytes) -> bytes:
        line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()
        begin = b"%b\r\ndate: %b\r\ncontent-type: %b\r\ncontent-length: " % (line, self._date, kind)
        self._begun[status, kind] = begin
        return begin


def path_of(url: bytes) -> str:
    """The path of what a request asks for, as text; empty if it has none."""
    try:
        path = httptools.parse_url(url).path or b""
    except httptools.HttpParserInvalidURLError:
        return ""
    return unquote(path.decode("latin-1"))
