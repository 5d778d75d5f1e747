"""The receiver: answers, fails, is slow or silent, by the first part of the path. It never stops.

Its own record says what came, from which process, and when it was answered or given up.
"""

import asyncio
import threading
import time
import zlib
from collections import Counter
from typing import Self

from tests.chaos.evidence import Key, Request

SLOW_S = 0.4
FAILS_S = 0.005
"""How long a failure takes: longer than what rounding to milliseconds can hide."""
GOOD, FLAKY, SLOW, HANGS, FAILS = "good", "flaky", "slow", "hangs", "fails"
ONE_HANGS_IN = 40


class Got:
    """One request; `closed_ns` is None while it is open."""

    __slots__ = ("at_ns", "closed_ns", "key", "source", "status")

    def __init__(self, key: Key, source: str) -> None:
        self.key, self.source = key, source
        self.at_ns = time.time_ns()
        self.closed_ns: int | None = None
        self.status: int | None = None


class Receiver:
    """Listens on 127.0.0.1 in a thread of its own."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.url = ""
        self._counts: Counter[Key] = Counter()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def requests(self, by_source: dict[str, str]) -> list[Request]:
        """The record; `by_source`: which process an address belonged to."""
        return [
            Request(g.key, by_source.get(g.source, ""), g.at_ns, g.closed_ns, g.status)
            for g in list(self.got)
        ]

    def open(self) -> int:
        """How many requests are not answered now."""
        return sum(1 for got in self.got[-5_000:] if got.closed_ns is None)

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self._server = server
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _close(self) -> None:
        """Connections are cut: nobody is left to answer."""
        if self._server:
            self._server.close()
        serving = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = writer.get_extra_info("peername")[0]
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                headers = dict(_header(line) for line in head.split("\r\n")[1:-2])
                await reader.readexactly(int(headers.get("content-length", 0)))
                path = head.split(" ", 2)[1]
                got = Got((path[1:], headers["webhook-id"]), source)
                await self._answer(got, reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            writer.close()

    async def _answer(
        self, got: Got, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.got.append(got)
        self._counts[got.key] += 1
        kind = got.key[0].partition("-")[0]
        before = self._counts[got.key] - 1
        if kind == HANGS and hangs(got.key[1]) and not before:
            await reader.read(1)  # until the sender gives up
            got.closed_ns = time.time_ns()
            writer.close()
            return
        fails = kind == FAILS or (kind == FLAKY and before < failures(got.key[1]))
        if pause_s := SLOW_S if kind == SLOW else FAILS_S if fails else 0:
            await asyncio.sleep(pause_s)
        got.status, got.closed_ns = 500 if fails else 200, time.time_ns()
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % got.status)
        await writer.drain()


def failures(event: str) -> int:
    """How often a flaky receiver fails an event: once or twice."""
    return 1 + zlib.crc32(event.encode()) % 2


def hangs(event: str) -> bool:
    """Whether the first request of an event is never answered there."""
    return zlib.crc32(event.encode()) % ONE_HANGS_IN == 0


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()
