"""The only I/O of a turn: one request out, one answer or failure back, within one deadline."""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from time import monotonic

import httpx2

from hookstream.model.errors import CUT_BY_PEER, CUT_IN_TIME, FAULTS, ErrorKind
from hookstream.model.request import OutgoingRequest
from services.deliverer.answer import Answer
from services.deliverer.connections import CutWhileConnecting
from services.deliverer.deadline import Deadlines
from services.deliverer.faults import foreign_kind
from services.deliverer.seam import Answering, Behind, Exchanging, MayGo, always
from services.deliverer.transport import AiohttpTransport

READ_BODY = 65_536
"""Bytes of an answer that are read; the rest is cut with the connection."""
_KEPT_HEADERS = 32_768


class Sender:
    """Sends requests through a transport. A receiver's fault is a value, never an exception."""

    def __init__(
        self, transport: httpx2.AsyncBaseTransport, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine: Exchanging = (
            transport if isinstance(transport, AiohttpTransport) else Behind(transport)
        )
        self._clock = clock
        self._deadlines = Deadlines()

    async def send(
        self, outgoing: OutgoingRequest, deadline_ms: int, may_go: MayGo = always
    ) -> Answer:
        """The answer. Status and headers decide, if they come within the deadline (F3).

        The body is read up to 64 KiB and the same deadline, then cut; the status stands. Raises
        OutOfSockets and Withheld, which are no attempt, and whatever is no failure of a request.
        """
        exchange = _Exchange(int(self._clock() * 1000))
        try:
            with self._deadlines.within(deadline_ms / 1000):
                running = exchange.run(self._engine, outgoing, may_go)
                del outgoing  # like the frames above and below: see `Deliverer._answer`
                await running
        except TimeoutError as error:
            connecting = isinstance(error.__cause__, CutWhileConnecting)
            return exchange.ended("timeout_connect" if connecting else "timeout_answer")
        except httpx2.TransportError as error:
            return exchange.ended(foreign_kind(error))
        return exchange.ended(None)

    async def close(self) -> None:
        """Close the transport and its connections."""
        await self._engine.aclose()


class _Exchange:
    """What is known of one request so far, so that a cut at any moment leaves an answer."""

    __slots__ = ("_body", "_cut", "_ended", "_reply", "_started", "_started_at_ms")

    def __init__(self, started_at_ms: int) -> None:
        self._started_at_ms = started_at_ms
        self._started = monotonic()  # the loop's own clock stands still within a round of it
        self._ended: float | None = None
        self._reply: Answering | None = None
        self._body = b""
        self._cut = True

    async def run(self, engine: Exchanging, outgoing: OutgoingRequest, may_go: MayGo) -> None:
        once = outgoing.url_is_rendered
        exchanging = engine.exchange(
            outgoing.method, outgoing.url, outgoing.headers, outgoing.body, may_go, once=once
        )
        del outgoing
        reply = await exchanging
        self._ended = monotonic()
        self._reply = reply
        try:
            await self._read(reply)
        finally:
            if self._cut:
                await reply.close()

    async def _read(self, reply: Answering) -> None:
        while len(self._body) <= READ_BODY:
            chunk = await reply.read_some()
            if not chunk:
                self._cut = False
                return
            self._body = self._body + chunk if self._body else chunk

    def ended(self, error: ErrorKind | None) -> Answer:
        """The answer as it stands; once a status has come, `error` is no more than a remark."""
        now = monotonic()
        ended = self._ended if self._ended is not None else now
        duration_ms = int((ended - self._started) * 1000)
        reply = self._reply
        if reply is None:
            kind = error or "connection_lost"
            return Answer(
                started_at_ms=self._started_at_ms,
                duration_ms=duration_ms,
                error=kind,
                detail=FAULTS[kind].words,
            )
        dns_ms, connect_ms, tls_ms = reply.dial.parts_ms if reply.dial else (None, None, None)
        return Answer(
            started_at_ms=self._started_at_ms,
            duration_ms=duration_ms,
            status=reply.status,
            detail=_remark(error),
            headers=_kept(reply.headers),
            body=self._body[:READ_BODY],
            truncated=self._cut,
            retry_after=_retry_after(reply.headers) if reply.status >= 300 else None,
            body_ms=int((now - ended) * 1000),
            dns_ms=dns_ms,
            connect_ms=connect_ms,
            tls_ms=tls_ms,
        )


def _remark(error: ErrorKind | None) -> str:
    """What is told of a body that was not read to its end."""
    if error is None:
        return ""
    return CUT_IN_TIME if FAULTS[error].result_class == "timeout" else CUT_BY_PEER


def _kept(raw: Sequence[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    kept = [(_name(name), value.decode("latin-1")) for name, value in raw]
    room = _KEPT_HEADERS
    for index, (name, value) in enumerate(kept):
        room -= len(name) + len(value)
        if room < 0:
            return tuple(kept[:index])
    return tuple(kept)


@lru_cache(maxsize=4096)
def _name(name: bytes) -> str:
    return name.decode("latin-1")


def _retry_after(raw: Sequence[tuple[bytes, bytes]]) -> str | None:
    for name, value in raw:
        if name.lower() == b"retry-after":
            return value[:128].decode("latin-1")
    return None
