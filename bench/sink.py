"""The receiver of the bench: `python -m bench.sink PORT TLS_PORT CERT KEY`. Cheap, and outside
what is measured.

    /any      200
    /once/…   500 to the first request of each event, 200 to the next ones
    /slow/…   200 after two seconds
    /hang/…   no answer at all

It keeps a record of each request. `/_record`: all of it; `/_total/PATH`: how many came for paths
that begin so; `/_opened`: connections so far; `/_unanswered`: slow requests that wait for their
answer now; `/_release`: ends those that hang; `/_clear`.
"""

import asyncio
import ssl
import sys
import time
from typing import Any, cast

import msgspec
import uvloop

HOST = "127.0.0.1"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SLOW_S = 2.0
NO = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"
_HEAD_END = b"\r\n\r\n"
_LENGTH, _ID = b"\r\ncontent-length:", b"\r\nwebhook-id:"


class Seen(msgspec.Struct, array_like=True, gc=False):
    """One request. `status`: what it was answered; None: nothing."""

    id: str
    at_ns: int
    status: int | None


Record = dict[str, list[Seen]]


class Book:
    """The record of all paths."""

    def __init__(self) -> None:
        self.pages: dict[bytes, list[Seen]] = {}
        self.failed: set[str] = set()
        self.hanging: set[asyncio.Transport] = set()
        self.opened = 0
        self.unanswered = 0

    def control(self, target: bytes) -> bytes:
        """The answer to `/_…`."""
        answer: Any = {}
        if target == b"/_record":
            answer = {path.decode(): seen for path, seen in self.pages.items()}
        elif target.startswith(b"/_total"):
            answer = sum(len(s) for p, s in self.pages.items() if p.startswith(target[7:]))
        elif target == b"/_opened":
            answer = self.opened
        elif target == b"/_unanswered":
            answer = self.unanswered
        elif target == b"/_release":
            for transport in self.hanging:
                transport.close()
            self.hanging.clear()
        elif target == b"/_clear":
            self.pages.clear()
            self.failed.clear()
        body = msgspec.json.encode(answer)
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


class Connection(asyncio.Protocol):
    """One connection; requests follow each other on it."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self._transport = cast(asyncio.Transport, transport)
        self._book.opened += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """It hangs no longer."""
        del exc
        self._book.hanging.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._buffer = self._buffer + data if self._buffer else data
        while (end := self._buffer.find(_HEAD_END)) >= 0:
            head = self._buffer[:end]
            total = end + 4 + int(_header(head, _LENGTH) or 0)
            if len(self._buffer) < total:
                return
            self._buffer = self._buffer[total:]
            self._take(head)

    def _take(self, head: bytes) -> None:
        now, target = time.time_ns(), head.split(b" ", 2)[1]
        book = self._book
        if target.startswith(b"/_"):
            self._transport.write(book.control(target))
            return
        event, status = _header(head, _ID).decode(), 200
        page = book.pages.get(target)
        if page is None:
            page = book.pages[target] = []
        if target.startswith(b"/hang/"):
            page.append(Seen(event, now, None))
            book.hanging.add(self._transport)
            return
        if target.startswith(b"/once/") and event not in book.failed:
            book.failed.add(event)
            status = 500
        page.append(Seen(event, now, status))
        if target.startswith(b"/slow/"):
            book.unanswered += 1
            asyncio.get_running_loop().call_later(SLOW_S, self._answer_late)
        else:
            self._transport.write(OK if status == 200 else NO)

    def _answer_late(self) -> None:
        self._book.unanswered -= 1
        if not self._transport.is_closing():
            self._transport.write(OK)


def _header(head: bytes, name: bytes) -> bytes:
    """A header's value; the deliverer writes names in lower case, other clients as they like."""
    at = head.find(name)
    if at < 0:
        at = head.lower().find(name)
    if at < 0:
        return b""
    end = head.find(b"\r\n", at + 2)
    return head[at + len(name) : end if end > 0 else None].strip()


async def serve(port: int, tls_port: int, tls: ssl.SSLContext) -> None:
    """Until the process is ended."""
    book, loop = Book(), asyncio.get_running_loop()
    plain = await loop.create_server(lambda: Connection(book), HOST, port, backlog=2048)
    await loop.create_server(lambda: Connection(book), HOST, tls_port, ssl=tls, backlog=2048)
    await plain.serve_forever()


def _context(cert: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), _context(sys.argv[3], sys.argv[4])))
