"""A receiver of webhooks with moods: `python -m services.cli.receiver PORT`.

What a path does is said by its query, each time it is asked:

    /name                        200
    /name?status=500&fail=3      500 to its first three requests, then 200
    /name?status=429&fail=2&after=1   the same with Retry-After: 1
    /name?hang=2                 never answers its first two requests, then 200
    /name?slow=150               200 after 150 ms

It keeps its own record, and hands it out: `/_record` (JSON), `/_counts` (requests answered 2xx by
path), `/_clear`. Cheap enough (about 10 µs a request) to stand beside a measurement.
"""

import asyncio
import sys
import time
import zlib
from typing import Any, cast
from urllib.parse import parse_qs

import msgspec
import uvloop

HOST = "127.0.0.1"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_HEAD_END = b"\r\n\r\n"


class Seen(msgspec.Struct, array_like=True):
    """One request. `status` is what it was answered; None: it was left to hang."""

    id: str
    at_ns: int
    status: int | None
    crc: int
    """CRC-32 of the body."""


Record = dict[str, list[Seen]]


class Mood:
    """What one path does."""

    def __init__(self, query: str) -> None:
        given = {name: int(values[0]) for name, values in parse_qs(query).items()}
        self.status = given.get("status", 500)
        self.fail = given.get("fail", 0)
        self.hang = given.get("hang", 0)
        self.after = given.get("after")
        self.slow_s = given.get("slow", 0) / 1000
        self.plain = not (self.fail or self.hang or self.slow_s)

    def answer(self, before: int) -> tuple[int | None, bytes]:
        """Status and bytes for the request that `before` others came before."""
        if before < self.hang:
            return None, b""
        if before < self.fail:
            after = b"" if self.after is None else b"retry-after: %d\r\n" % self.after
            return self.status, b"HTTP/1.1 %d No\r\ncontent-length: 0\r\n%b\r\n" % (
                self.status,
                after,
            )
        return 200, OK


class Book:
    """The record of all paths."""

    def __init__(self) -> None:
        self.record: Record = {}
        self.moods: dict[bytes, tuple[Mood, list[Seen]]] = {}

    def page_of(self, target: bytes) -> tuple[Mood, list[Seen]]:
        """Mood and record of a request's target."""
        if target not in self.moods:
            path, _, query = target.decode().partition("?")
            self.moods[target] = Mood(query), self.record.setdefault(path, [])
        return self.moods[target]

    def control(self, target: bytes) -> bytes:
        """The answer to `/_…`."""
        answer: Any = self.record
        if target == b"/_counts":
            answer = {
                path: sum(s.status == 200 for s in seen) for path, seen in self.record.items()
            }
        elif target == b"/_clear":
            self.moods.clear()
            self.record = {}
            answer = {}
        body = msgspec.json.encode(answer)
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


class Connection(asyncio.Protocol):
    """One connection; requests follow each other on it."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._buffer = self._buffer + data if self._buffer else data
        while (end := self._buffer.find(_HEAD_END)) >= 0:
            head = self._buffer[:end]
            total = end + 4 + int(_header(head, b"content-length") or 0)
            if len(self._buffer) < total:
                return
            body, self._buffer = self._buffer[end + 4 : total], self._buffer[total:]
            self._take(head, body)

    def _take(self, head: bytes, body: bytes) -> None:
        now = time.time_ns()
        target = head.split(b" ", 2)[1]
        if target.startswith(b"/_"):
            self._transport.write(self._book.control(target))
            return
        mood, seen = self._book.page_of(target)
        status, answer = mood.answer(len(seen)) if not mood.plain else (200, OK)
        event = (_header(head, b"webhook-id") or b"").decode()
        seen.append(Seen(event, now, status, zlib.crc32(body)))
        if mood.slow_s:
            asyncio.get_running_loop().call_later(mood.slow_s, self._transport.write, answer)
        elif status is not None:
            self._transport.write(answer)


def _header(head: bytes, name: bytes) -> bytes | None:
    """A header's value; our deliverer writes names in lower case, other clients as they like."""
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        at = head.lower().find(b"\r\n" + name + b":")
    if at < 0:
        return None
    end = head.find(b"\r\n", at + 2)
    return head[at + len(name) + 3 : end if end > 0 else None].strip()


async def serve(port: int) -> None:
    """Until the process is ended."""
    book = Book()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(book), HOST, port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
