"""The only I/O of a turn: one request out, one answer or failure back, within one deadline."""

import time
from collections.abc import Callable
from functools import lru_cache
from time import monotonic

import httpx2

from hookstream.model.errors import CUT_BY_PEER, CUT_IN_TIME, FAULTS, ErrorKind
from hookstream.model.request import OutgoingRequest
from services.deliverer.answer import Answer
from services.deliverer.connections import CutWhileConnecting, Dial
from services.deliverer.deadline import Deadline
from services.deliverer.faults import foreign_kind
from services.deliverer.transport import DIAL, TARGET, AnswerStream, Body, RawHeaders, parse, parsed

READ_BODY = 65_536
"""Bytes of an answer that are read; the rest is cut with the connection."""
_KEPT_HEADERS = 32_768


class Sender:
    """Sends requests through a transport. A receiver's fault is a value, never an exception."""

    def __init__(
        self, transport: httpx2.AsyncBaseTransport, clock: Callable[[], float] = time.time
    ) -> None:
        self._transport = transport
        self._clock = clock

    async def send(self, outgoing: OutgoingRequest, deadline_ms: int) -> Answer:
        """The answer. Status and headers decide, if they come within the deadline (F3).

        The body is read up to 64 KiB and the same deadline, then cut; the status stands. Raises
        OutOfSockets, which is no attempt, and whatever is no failure of a request.
        """
        exchange = _Exchange(int(self._clock() * 1000))
        try:
            with Deadline(deadline_ms / 1000):
                await exchange.run(self._transport, _request(outgoing))
        except TimeoutError as error:
            connecting = isinstance(error.__cause__, CutWhileConnecting)
            return exchange.ended("timeout_connect" if connecting else "timeout_answer")
        except httpx2.TransportError as error:
            return exchange.ended(foreign_kind(error))
        return exchange.ended(None)

    async def close(self) -> None:
        """Close the transport and its connections."""
        await self._transport.aclose()


class _Exchange:
    """What is known of one request so far, so that a cut at any moment leaves an answer."""

    __slots__ = ("_body", "_cut", "_ended", "_response", "_started", "_started_at_ms")

    def __init__(self, started_at_ms: int) -> None:
        self._started_at_ms = started_at_ms
        self._started = monotonic()  # the loop's own clock stands still within a round of it
        self._ended: float | None = None
        self._response: httpx2.Response | None = None
        self._body = b""
        self._cut = True

    async def run(self, transport: httpx2.AsyncBaseTransport, request: httpx2.Request) -> None:
        response = await transport.handle_async_request(request)
        self._ended = monotonic()
        self._response = response
        try:
            await self._read(response.stream)
        finally:
            if isinstance(response.stream, httpx2.AsyncByteStream):
                await response.stream.aclose()

    async def _read(self, stream: object) -> None:
        if isinstance(stream, AnswerStream):
            while len(self._body) <= READ_BODY:
                chunk = await stream.read_some()
                if not chunk:
                    self._cut = False
                    return
                self._body = self._body + chunk if self._body else chunk
        elif isinstance(stream, httpx2.AsyncByteStream):
            async for chunk in stream:
                self._body += chunk
                if len(self._body) > READ_BODY:
                    return
            self._cut = False

    def ended(self, error: ErrorKind | None) -> Answer:
        """The answer as it stands; once a status has come, `error` is no more than a remark."""
        now = monotonic()
        ended = self._ended if self._ended is not None else now
        duration_ms = int((ended - self._started) * 1000)
        response = self._response
        if response is None:
            kind = error or "connection_lost"
            return Answer(
                started_at_ms=self._started_at_ms,
                duration_ms=duration_ms,
                error=kind,
                detail=FAULTS[kind].words,
            )
        raw = response.headers.raw
        dial: Dial | None = response.extensions.get(DIAL)
        dns_ms, connect_ms, tls_ms = dial.parts_ms if dial else (None, None, None)
        return Answer(
            started_at_ms=self._started_at_ms,
            duration_ms=duration_ms,
            status=response.status_code,
            detail=_remark(error),
            headers=_kept(raw),
            body=self._body[:READ_BODY],
            truncated=self._cut,
            retry_after=_retry_after(raw) if response.status_code >= 300 else None,
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


def _request(outgoing: OutgoingRequest) -> httpx2.Request:
    target = parse(outgoing.url) if outgoing.url_is_rendered else parsed(outgoing.url)
    return httpx2.Request(
        outgoing.method,
        httpx2.URL(outgoing.url) if outgoing.url_is_rendered else _url(outgoing.url),
        headers=RawHeaders(outgoing.headers),
        stream=Body(outgoing.body),
        extensions={TARGET: target},
    )


@lru_cache(maxsize=65_536)
def _url(url: str) -> httpx2.URL:
    return httpx2.URL(url)


def _kept(raw: list[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
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


def _retry_after(raw: list[tuple[bytes, bytes]]) -> str | None:
    for name, value in raw:
        if name.lower() == b"retry-after":
            return value[:128].decode("latin-1")
    return None
