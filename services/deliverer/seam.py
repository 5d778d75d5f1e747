"""The seam: one exchange, be it over our own engine or over any transport of httpx."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Protocol

import httpx2

from services.deliverer.connections import Dial

RawHeaders = Iterable[tuple[bytes, bytes]]
MayGo = Callable[[], bool]
"""Asked just before the first byte of a request: whether it is still ours to send."""


def always() -> bool:
    """It may."""
    return True


class Withheld(Exception):
    """Nothing of this request was written: it was not ours to send any more."""


class Answering(Protocol):
    """An answer of which status and headers are there, its body as it comes."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]: ...

    @property
    def dial(self) -> Dial | None:
        """How its connection was made, where it is the first on it."""

    async def read_some(self) -> bytes:
        """What has arrived, waiting for the first of it; empty at the end, which closes it too."""

    async def close(self) -> None:
        """What is not read by now never will be."""


class Exchanging(Protocol):
    """What carries requests. Raises `httpx2.TransportError`, `OutOfSockets`, or `Withheld`."""

    async def exchange(
        self,
        method: str,
        url: str,
        headers: RawHeaders,
        body: bytes,
        may_go: MayGo,
        *,
        once: bool = False,
    ) -> Answering:
        """The answer to one request. `once`: its URL is not worth remembering."""

    async def aclose(self) -> None:
        """Close all connections."""


class Behind:
    """A transport of httpx that knows nothing of us."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport

    async def exchange(
        self,
        method: str,
        url: str,
        headers: RawHeaders,
        body: bytes,
        may_go: MayGo,
        *,
        once: bool = False,
    ) -> Answering:
        """By way of httpx's own types. Connecting is part of what comes after asking."""
        del once
        if not may_go():
            raise Withheld
        request = httpx2.Request(method, url, headers=list(headers), content=body)
        response = await self._transport.handle_async_request(request)
        return _Response(response.status_code, response.headers.raw, response.stream)

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()


class _Response:
    def __init__(self, status: int, headers: Sequence[tuple[bytes, bytes]], stream: object) -> None:
        if not isinstance(stream, httpx2.AsyncByteStream):
            raise TypeError("a transport for coroutines answers with an AsyncByteStream")
        self.dial = None
        self.status = status
        self.headers = headers
        self._stream = stream
        self._chunks: AsyncIterator[bytes] = aiter(stream)

    async def read_some(self) -> bytes:
        async for chunk in self._chunks:
            if chunk:
                return chunk
        await self.close()
        return b""

    async def close(self) -> None:
        await self._stream.aclose()
