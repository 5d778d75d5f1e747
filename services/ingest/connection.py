"""One client's connection: requests in, answers out, in order.

HTTP/1.1 by httptools' parser. Everything a client can withhold or pile up has a bound: the head
and what frames a body in bytes, a request in time, answers that are not read, and requests sent
before their turn (nothing more is read while one waits).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools

from services.ingest.request import CONTINUE, Endpoint, Request

MOST_HEAD = 65_536
"""Bytes of a request before its body begins."""
MOST_FRAMING = 8
"""A chunked body may be so many times longer on the wire."""
MOST_SPILT = 1024 * 1024
"""How much of a body that is too long is still read, so that its sender can read the answer."""
IDLE_S = 75.0
"""How long a connection may be kept open between requests: longer than load balancers keep it."""

_OFFER = frozenset({b"upgrade", b"connection", b"http2-settings"})
_NONE = cast(httptools.HttpRequestParser, None)
Find = Callable[[bytes], Endpoint]
"""Who answers requests for a URL."""
logger = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """`find`: who answers. `broken`: who answers, with this status, what cannot be read to its end.

    `within_s`: for a request to arrive, by `now`. `connections`: all there are.
    """

    def __init__(
        self,
        find: Find,
        broken: Callable[[int], Endpoint],
        within_s: float,
        now: Callable[[], float],
        connections: "set[Connection]",
    ) -> None:
        self._find, self._broken, self._within_s, self._now = find, broken, within_s, now
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._coming: Request | None = None
        """Its head is there, its body not yet."""
        self._waiting: deque[Request] = deque()
        """Whole, in order."""
        self._busy: Request | None = None
        """Is to be answered next."""
        self._wire = 0
        """Bytes of a request that is not whole."""
        self._begun = False
        self._since = now()
        """When what is waited for now began."""
        self._ended = self._going = self._choked = self._paused = self._deaf = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """It has gone: what is under way is done all the same, and nothing after it."""
        self._connections.discard(self)
        self._deaf = True
        self._forget()
        self._waiting.clear()
        self._parser = _NONE  # it knows us: else only the collector would end the two of us

    def data_received(self, data: bytes) -> None:
        """Some bytes."""
        if self._deaf:
            return
        self._ended = False
        self._feed(data)
        if self._ended:
            self._wire = 0
        else:
            self._unfinished(len(data))
        self._go()

    def pause_writing(self) -> None:
        """Answers are not read: no more requests."""
        self._choked, self._since = True, self._now()
        self._heed()

    def resume_writing(self) -> None:
        """They are read again."""
        self._choked = False
        self._go()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url, self._headers = b"", {}
        self._begun, self._since = True, self._now()

    def on_url(self, url: bytes) -> None:
        """What is asked for, or a part of it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; after a body none is wanted."""
        if self._coming is None:
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """A body may follow."""
        parser, url, headers = self._parser, self._url, self._headers
        if parser.should_upgrade():
            return  # for the parser it ends here: `_without_offer`
        close = not parser.should_keep_alive()
        if b"connection" in headers and parser.get_http_version() == "1.0":
            close = True  # it asks to be kept open in a way that nobody else does
        endpoint = self._find(url)
        method = parser.get_method()
        self._coming = Request(self, method, url, headers, endpoint, close, self._since)

    def on_body(self, body: bytes) -> None:
        """Some of it."""
        if self._coming is not None:
            self._coming.add(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._ended, self._begun = True, False
        request, self._coming = self._coming, None
        if request is not None and not self._deaf:
            request.whole()
            self._waiting.append(request)
            self._deaf = request.close

    # What endpoints call, and who looks after connections.

    def receive(self) -> None:
        """The body of the request that is looked at may come."""
        if self._coming is not None and not self._deaf:
            self._coming.admitted = True
            if self._coming.headers.get(b"expect", b"").lower() == b"100-continue":
                self._transport.write(CONTINUE)
            self._busy = None
            self._go()

    def reply(self, answer: bytes, close: bool) -> None:
        """Answer the request that is looked at."""
        unread = self._busy is self._coming  # its body is left where it is
        self._busy, self._since = None, self._now()
        if self._transport.is_closing():
            return
        self._transport.write(answer)
        if close or unread:
            self._end()
        elif not self._going:
            self._go()

    def look(self, now: float) -> None:
        """End it, if it has been waited for too long."""
        waited = now - self._since
        if self._choked:
            if waited > IDLE_S:
                self._transport.abort()
        elif self._busy is not None:
            return
        elif self._begun and waited > self._within_s:
            self._give_up(408)
        elif not self._begun and waited > IDLE_S:
            self._end()

    def finish(self) -> None:
        """The process stops: what is under way is answered, and then no more."""
        last = self._waiting[-1] if self._waiting else self._coming or self._busy
        if last is None:
            self._end()
        else:
            last.close = True
            self._deaf = last is not self._coming
            self._heed()

    def abort(self) -> None:
        """End it at once."""
        self._transport.abort()

    def _feed(self, data: bytes) -> None:
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self._parser.get_method() != b"CONNECT":
                    data = self._without_offer() + data[upgrade.args[0] :]
                    self._parser = httptools.HttpRequestParser(self)
                    continue
                self._give_up(400)
            except httptools.HttpParserCallbackError:
                logger.exception("a request failed")
                self._give_up(500)
            except httptools.HttpParserError:
                self._give_up(400)
            return

    def _without_offer(self) -> bytes:
        """The head once more: another protocol is offered (by Java's client with every request,
        HTTP/2) and not taken up, but the parser takes the body for the other protocol's."""
        headers = {n: v for n, v in self._headers.items() if n not in _OFFER}
        if b"close" in self._headers.get(b"connection", b"").lower():
            headers[b"connection"] = b"close"
        lines = b"".join(b"%b: %b\r\n" % line for line in headers.items())
        return b"%b %b HTTP/1.1\r\n%b\r\n" % (self._parser.get_method(), self._url, lines)

    def _unfinished(self, size: int) -> None:
        self._wire += size
        body = self._coming.received() if self._coming else 0
        if self._wire > MOST_HEAD + MOST_FRAMING * body:
            self._give_up(431)

    def _give_up(self, status: int) -> None:
        """Answer, after those before, what cannot be read to its end; and read no more."""
        if self._deaf:
            return
        self._deaf = True
        endpoint = self._broken(status)
        request = self._coming or Request(self, b"", b"", {}, endpoint, True, self._since)
        request.endpoint, request.close = endpoint, True
        self._forget()
        self._waiting.append(request)
        self._go()

    def _forget(self) -> None:
        request, self._coming = self._coming, None
        if request is not None:
            request.whole()

    def _go(self) -> None:
        """Take up what is whole, one at a time, and then what needs leave to come."""
        if self._going:
            return
        self._going = True
        while self._waiting and self._busy is None and not self._choked:
            self._busy = self._waiting.popleft()
            self._busy.endpoint.take(self._busy)
        coming = self._coming
        if coming is not None and self._busy is None and not self._choked:
            if not coming.admitted:
                self._busy = coming
                coming.endpoint.admit(coming)
            elif coming.spilt > MOST_SPILT:
                self._busy = coming
                coming.endpoint.take(coming)
        self._going = False
        self._heed()

    def _heed(self) -> None:
        """Read on, or stop reading: while one waits for its turn, no more is taken in."""
        ahead = self._waiting or (self._coming is not None and self._busy is not None)
        paused = bool(self._choked or ahead or self._deaf)
        if paused != self._paused and not self._transport.is_closing():
            self._paused = paused
            if paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _end(self) -> None:
        self._deaf = True
        self._forget()
        self._waiting.clear()
        self._transport.close()
