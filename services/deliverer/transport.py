"""The seam: httpx's transport interface, over aiohttp's connections (why: decision 1)."""

from collections.abc import AsyncIterator, Iterable
from functools import lru_cache

import aiohttp
import httpx2
from multidict import CIMultiDict, istr
from yarl import URL

from services.deliverer.connections import Connections
from services.deliverer.faults import translate

TARGET = "hookstream.target"
"""Request extension: the URL already parsed for the engine, so that it is parsed once."""

DIAL = "hookstream.dial"
"""Response extension: how its connection was made, where it is the first on it."""

_CHUNK = 65_536


class Body(httpx2.AsyncByteStream):
    """A request's body: bytes in one piece."""

    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content


class AnswerStream(httpx2.AsyncByteStream):
    """An answer's body as it arrives, undecoded. Closing it early closes the connection."""

    __slots__ = ("_response",)

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self.read_some():
            yield chunk

    async def read_some(self) -> bytes:
        """What has arrived, waiting for the first of it; empty at the end."""
        content = self._response.content
        if content.at_eof():
            return b""
        try:
            return await content.read(_CHUNK)
        except (aiohttp.ClientError, OSError) as error:
            raise translate(error) from error

    async def aclose(self) -> None:
        self._response.close()


class RawHeaders(httpx2.Headers):
    """Headers that are bytes already: taken as they are, at a third of the cost."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        super().__init__()
        self._list = [(name, name.lower(), value) for name, value in raw]


class _Bare(aiohttp.ClientRequest):
    """aiohttp's request without the headers it would add: Accept, Content-Type, User-Agent."""

    _skip_auto_headers = CIMultiDict({"Content-Type": None})

    def update_auto_headers(self, skip_auto_headers: object) -> None:
        """Nothing: a receiver gets the headers that its webhook names."""


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends exactly what it is given: no redirect, cookie, repeat, decoding or header of its own
    but Host and Content-Length. Has no deadline but for connecting: the caller sets one.

    Raises TransportFault, or OutOfSockets where this machine is to blame.
    """

    def __init__(self, connections: Connections, connect_timeout_s: float) -> None:
        self._connections = connections
        self._session = aiohttp.ClientSession(
            connector=connections,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            request_class=_Bare,
        )
        # aiohttp repeats GET, PUT and DELETE on a kept connection that was closed (once.md 11).
        self._session._retry_connection = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        target = request.extensions.get(TARGET) or parsed(str(request.url))
        body = request.stream.content if type(request.stream) is Body else await request.aread()
        try:
            response = await self._session.request(
                request.method,
                target,
                data=body or None,
                headers=_outgoing(request.headers.raw),
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise translate(error) from error
        stream = AnswerStream(response)
        headers = RawHeaders(response.raw_headers)
        dial = self._connections.first_use(response._protocol)
        known = {DIAL: dial} if dial is not None else None
        return httpx2.Response(response.status, headers=headers, stream=stream, extensions=known)

    async def aclose(self) -> None:
        """Close all connections; requests still open end as lost."""
        await self._session.close()


def parse(url: str) -> URL:
    """The URL as the engine wants it, its path and query untouched."""
    return URL(url, encoded=True)


@lru_cache(maxsize=65_536)
def parsed(url: str) -> URL:
    """The same, remembered: of webhooks whose URL is always the same."""
    return parse(url)


_FRAMING = {b"host", b"content-length", b"transfer-encoding", b"connection"}


def _outgoing(raw: list[tuple[bytes, bytes]]) -> CIMultiDict[str]:
    # Framing is the engine's alone: two lengths on one message are a smuggler's tool.
    named = [(_name(name), value.decode("latin-1")) for name, value in raw]
    return CIMultiDict([(name, value) for name, value in named if name])


@lru_cache(maxsize=4096)
def _name(name: bytes) -> str:
    return "" if name.lower() in _FRAMING else istr(name.decode("ascii"))
