"""One HTTP exchange over aiohttp's connections: a request written, an answer read.

Behind httpx's transport interface, so that any other transport can take its place (decision 1).
What carries is aiohttp's: names, sockets, TLS, connections kept, answers parsed. What it builds
around each request is left out, since it costs three times what the exchange does (decision 13).
"""

from collections.abc import AsyncIterator
from functools import lru_cache
from typing import NamedTuple

import aiohttp
import httpx2
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from yarl import URL

from services.deliverer.connections import Connections, Dial
from services.deliverer.faults import TransportFault, translate
from services.deliverer.seam import MayGo, RawHeaders, Withheld, always
from services.deliverer.wire import target_of, written

_CHUNK = 65_536
_URLS = 65_536
_SCHEMES = frozenset({"http", "https"})
_ENGINES = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)


class Target(NamedTuple):
    """What all requests to one URL have in common."""

    key: ConnectionKey
    start: bytes


class Reply:
    """An answer: its status and headers, and its body as it arrives, undecoded.

    Closing it early closes the connection.
    """

    __slots__ = ("_connection", "_content", "dial", "headers", "status")

    def __init__(
        self,
        status: int,
        headers: tuple[tuple[bytes, bytes], ...],
        content: StreamReader,
        connection: Connection,
    ) -> None:
        self.dial: Dial | None = None
        """How its connection was made, where it is the first on it."""
        self.status = status
        self.headers = headers
        self._content = content
        self._connection = connection

    async def read_some(self) -> bytes:
        """What has arrived, waiting for the first of it; empty at the end."""
        content = self._content
        if content.at_eof():
            return b""
        try:
            return content.read_nowait() if content.is_eof() else await content.read(_CHUNK)
        except _ENGINES as error:
            raise translate(error) from error

    async def close(self) -> None:
        """What is not read by now never will be."""
        self._connection.close()


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends exactly what it is given: no redirect, cookie, repeat, decoding or header of its own
    but Host and Content-Length. Has no deadline but for connecting: the caller sets one.

    Raises TransportFault, OutOfSockets where this machine is to blame, or Withheld.
    """

    def __init__(self, connections: Connections, connect_timeout_s: float) -> None:
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)
        self._known = lru_cache(maxsize=_URLS)(_target)

    async def exchange(
        self,
        method: str,
        url: str,
        headers: RawHeaders,
        body: bytes,
        may_go: MayGo,
        *,
        once: bool = False,
    ) -> Reply:
        """The answer to one request. `once`: its URL is not worth remembering."""
        connection = dial = None
        try:
            target = _target(url) if once else self._known(url)
            connection = await self._connections.kept(target.key)
            if connection is None:
                connection = await self._open(url)
                dial = self._connections.first_use(connection.protocol)
            parts = written(method, target.start, headers, body)
            if not may_go():  # last of all: a process may be stopped at any moment before
                raise Withheld
            protocol = _write(connection, parts, headless=method == "HEAD")
            del parts, headers, body  # nothing of it is kept while its answer is waited for
            reply = await _answered(connection, protocol)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, _ENGINES):
                raise translate(error) from error
            raise
        reply.dial = dial
        return reply

    async def _open(self, url: str) -> Connection:
        """A connection that was not there before."""
        wanted = aiohttp.ClientRequest("GET", _parsed(url))
        try:
            return await self._connections.connect(wanted, [], self._timeout)
        except TimeoutError as error:
            raise TransportFault("timeout_connect") from error

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """As httpx has it."""
        body = await request.aread()
        headers = request.headers.raw
        reply = await self.exchange(request.method, str(request.url), headers, body, always)
        return httpx2.Response(reply.status, headers=list(reply.headers), stream=_Stream(reply))

    async def aclose(self) -> None:
        """Close all connections; requests still open end as lost."""
        await self._connections.close()


class _Stream(httpx2.AsyncByteStream):
    """A reply's body, as httpx has it."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self._reply.read_some():
            yield chunk

    async def aclose(self) -> None:
        await self._reply.close()


def _write(connection: Connection, parts: tuple[bytes, ...], *, headless: bool) -> ResponseHandler:
    protocol = connection.protocol
    if protocol is None or protocol.transport is None:
        raise TransportFault("connection_lost")
    protocol.set_response_params(skip_payload=headless, read_until_eof=True, auto_decompress=False)
    for part in parts:
        protocol.transport.write(part)
    return protocol


async def _answered(connection: Connection, protocol: ResponseHandler) -> Reply:
    transport = protocol.transport
    while True:
        message, content = await protocol.read()
        if not 100 <= message.code < 200 or message.code == 101:
            break

    def ended() -> None:
        """Kept, but not with half a request in it: an answer may come before all is sent."""
        unsent = transport is not None and transport.get_write_buffer_size()
        (connection.close if unsent else connection.release)()

    content.on_eof(ended)
    return Reply(message.code, message.raw_headers, content, connection)


def _target(url: str) -> Target:
    """Raises `ValueError` or one of the engine's for what is no URL to send to."""
    request = aiohttp.ClientRequest("GET", _parsed(url))
    return Target(
        request.connection_key, target_of(request.url.raw_path_qs, request.headers["Host"])
    )


def _parsed(url: str) -> URL:
    """As the engine wants it, path and query untouched."""
    parsed = URL(url, encoded=True)
    if parsed.scheme not in _SCHEMES:
        raise aiohttp.NonHttpUrlClientError(parsed)
    return parsed
