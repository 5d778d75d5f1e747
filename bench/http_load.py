"""A cheap load generator: raw asyncio protocols on uvloop, connections kept alive."""

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

import uvloop

POSTERS = 32
WITHIN_S = 900
"""For all requests of a closed loop."""
MOST_OPEN = 1_000
"""Connections of an open loop."""
Next = Callable[[], bytes | None]
"""The next whole request, or None when there are no more."""


class LoadError(Exception):
    """A request was not answered as it should be."""


class Poster(asyncio.Protocol):
    """One connection: sends the next request when the one before is answered."""

    def __init__(self, following: Next, fine: bytes, done: "asyncio.Future[None]") -> None:
        self._following = following
        self._fine = fine
        self._done = done
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of one."""
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or len(self._buffer) < end + 4 + _length(self._buffer[:end]):
            return
        if self._buffer[9:12] != self._fine:
            self._end(LoadError(self._buffer[:600].decode(errors="replace")))
            return
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Only expected at the end."""
        self._end(LoadError(f"connection lost: {exc}"))

    def _send(self) -> None:
        request = self._following()
        if request is None:
            self._end(None)
        else:
            self._transport.write(request)

    def _end(self, error: LoadError | None) -> None:
        if not self._done.done():
            if error:
                self._done.set_exception(error)
            else:
                self._done.set_result(None)
        self._transport.close()


def closed_loop(port: int, requests: Iterator[bytes], fine: bytes = b"202") -> None:
    """Send all requests over 32 connections, each as fast as it is answered."""
    uvloop.run(_closed(port, lambda: next(requests, None), fine))


def open_loop(
    port: int,
    requests: Iterator[bytes],
    per_s: float,
    fine: bytes = b"202",
    within_s: float = 30.0,
    pool: "Paced | None" = None,
) -> None:
    """Send requests at a steady pace, whatever the answers take; each when its time has come.

    within_s: how long after the last the answers may take. pool: for who wants to look at it.
    """
    uvloop.run(_open(port, requests, per_s, fine, within_s, pool or Paced()))


async def _closed(port: int, following: Next, fine: bytes) -> None:
    try:
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(*[_connected(port, following, fine) for _ in range(POSTERS)])
    except TimeoutError as error:
        raise LoadError(f"not all requests were answered within {WITHIN_S} s") from error


async def _connected(port: int, following: Next, fine: bytes) -> None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    await loop.create_connection(lambda: Poster(following, fine, done), "127.0.0.1", port)
    await done


class Paced:
    """Idle connections that wait for the next due request."""

    def __init__(self) -> None:
        self.idle: list[Steady] = []
        self.opened = 0
        self.answered = 0
        self.error: LoadError | None = None


class Steady(Poster):
    """A connection that goes back to the idle ones after each answer."""

    def __init__(self, pool: Paced, fine: bytes, done: "asyncio.Future[None]") -> None:
        super().__init__(lambda: None, fine, done)
        self._pool = pool

    def post(self, request: bytes) -> None:
        """Send one request; the connection is not idle."""
        self._transport.write(request)

    def connection_lost(self, exc: Exception | None) -> None:
        """One that was idle for long is closed by the server: no failure."""
        if self in self._pool.idle:
            self._pool.idle.remove(self)
            self._pool.opened -= 1
        else:
            super().connection_lost(exc)

    def _send(self) -> None:
        self._pool.idle.append(self)
        self._pool.answered += 1

    def _end(self, error: LoadError | None) -> None:
        self._pool.error = error


async def _open(
    port: int,
    requests: Iterator[bytes],
    per_s: float,
    fine: bytes,
    within_s: float,
    pool: Paced,
) -> None:
    for _ in range(POSTERS):
        await _join(pool, port, fine)
    pool.answered = sent = 0
    due = time.perf_counter()
    while pool.error is None:
        await asyncio.sleep(due - time.perf_counter())
        if not pool.idle:  # all wait for an answer: the next must not wait for theirs
            await _join(pool, port, fine)
        request = next(requests, None)
        if request is None:
            break
        pool.idle.pop().post(request)
        sent += 1
        due += 1 / per_s
    await _answered(pool, sent, within_s)


async def _join(pool: Paced, port: int, fine: bytes) -> None:
    """One more connection, idle from the start."""
    if pool.opened >= MOST_OPEN:
        raise LoadError(f"{MOST_OPEN} requests wait for an answer: the pace is too fast")
    pool.opened += 1
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    await loop.create_connection(partial(Steady, pool, fine, done), "127.0.0.1", port)
    pool.answered -= 1  # its being made was no answer


async def _answered(pool: Paced, sent: int, within_s: float) -> None:
    deadline = time.perf_counter() + within_s
    while pool.answered < sent and pool.error is None and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)
    if pool.error or pool.answered < sent:
        raise pool.error or LoadError(f"{sent - pool.answered} requests were not answered")


def _length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
