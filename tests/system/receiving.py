"""A receiver that three webhooks lead to, and that notes when each request came and was answered.

`/good` takes everything at once, `/slow` after a while, `/flaky` answers 500 to the first or the
first two requests of an event and takes it then. It runs beside the system and never stops.
"""

import asyncio
import threading
import time
import zlib
from collections import Counter
from itertools import takewhile
from typing import Self

GOOD, FLAKY, SLOW = PATHS = "/good", "/flaky", "/slow"
SLOW_S = 0.4
FAILS_S = 0.005
"""How long a failure takes: longer than what rounding to milliseconds can hide."""
Key = tuple[str, str]
"""(path, event id): one delivery."""


class Request:
    """One request; `answered_ns` is None while it is open."""

    __slots__ = ("answered_ns", "at_ns", "key", "status")

    def __init__(self, key: Key, at_ns: int, status: int) -> None:
        self.key = key
        self.at_ns = at_ns
        self.status = status
        self.answered_ns: int | None = None

    def was_in_flight(self, from_ns: int, to_ns: int) -> bool:
        """Whether it came before `to` and was not answered before `from`."""
        return self.at_ns <= to_ns and (self.answered_ns is None or self.answered_ns >= from_ns)


class Receiving:
    """Listens on 127.0.0.1 in a thread of its own."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.url = ""
        self._counts: Counter[Key] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def open(self) -> list[Request]:
        """The requests that are not answered yet."""
        return [r for r in self.requests[-5_000:] if r.answered_ns is None]

    def since(self, at_ns: int, path: str) -> list[Request]:
        """The requests of one path after a time, in order of arrival."""
        found = takewhile(lambda request: request.at_ns > at_ns, reversed(list(self.requests)))
        return [request for request in found if request.key[0] == path][::-1]

    def taken(self, path: str) -> set[str]:
        """The ids of the events that were answered 200 there."""
        return {r.key[1] for r in self.since(0, path) if r.status == 200 and r.answered_ns}

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                headers = dict(_header(line) for line in head.split("\r\n")[1:-2])
                await reader.readexactly(int(headers.get("content-length", 0)))
                await self._answer(head.split(" ", 2)[1], headers["webhook-id"], writer)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async def _answer(self, path: str, id_: str, writer: asyncio.StreamWriter) -> None:
        key = path, id_
        self._counts[key] += 1
        fails = path == FLAKY and self._counts[key] <= failures(id_)
        request = Request(key, time.time_ns(), 500 if fails else 200)
        self.requests.append(request)
        if pause_s := SLOW_S if path == SLOW else FAILS_S if fails else 0:
            await asyncio.sleep(pause_s)
        request.answered_ns = time.time_ns()
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % request.status)
        await writer.drain()


def failures(id_: str) -> int:
    """How often `/flaky` fails an event: once or twice."""
    return 1 + zlib.crc32(id_.encode()) % 2


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()
