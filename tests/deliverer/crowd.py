"""A receiver of thousands of requests at once, told by their paths what to do with them."""

import asyncio
import threading
from collections import Counter
from time import time_ns
from typing import NamedTuple

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_REFUSED = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"


class Came(NamedTuple):
    """One request."""

    path: str
    id: str
    at_ms: float


class Crowd:
    """Listens on 127.0.0.1 on a thread of its own, until closed.

    What comes for a path in `silent` stays open and is answered when it is not in there any more;
    what comes for one in `refused` is answered 503.
    """

    def __init__(self) -> None:
        self.came: list[Came] = []
        self.silent: frozenset[str] = frozenset()
        self.refused: frozenset[str] = frozenset()
        self._heard = asyncio.Event()
        self._aio = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = self._aio.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096)
        )
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._aio.run_forever, daemon=True)
        self._thread.start()

    def hush(self, *paths: str) -> None:
        """From now on these are silent, and no others."""
        self._aio.call_soon_threadsafe(self._hush, frozenset(paths))

    def count(self) -> Counter[str]:
        """Requests so far, by path."""
        return Counter(came.path for came in list(self.came))

    def close(self) -> None:
        """Let everything go."""
        asyncio.run_coroutine_threadsafe(self._close(), self._aio).result(10)
        self._aio.call_soon_threadsafe(self._aio.stop)
        self._thread.join(10)
        self._aio.close()

    def _hush(self, paths: frozenset[str]) -> None:
        self.silent = paths
        self._heard.set()
        self._heard = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while came := await _read(reader):
                self.came.append(came)
                while came.path in self.silent:
                    await self._heard.wait()
                writer.write(_REFUSED if came.path in self.refused else _OK)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _close(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Came | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    named = dict(line.lower().split(": ", 1) for line in lines if line)
    await reader.readexactly(int(named.get("content-length", 0)))
    return Came(first.split(" ")[1], named.get("webhook-id", ""), time_ns() / 1e6)
