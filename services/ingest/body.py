"""Bodies, read with a bound: of length, of time, and of what all requests hold together."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Receive

from services.ingest.problems import CLOSE, Problem, busy

_SPILL = 1024 * 1024
"""How much of a body that is too long is still read, so that its sender can read the answer."""


class Gone(Exception):
    """The client closed the connection before its request was whole."""


class Bodies:
    """Reads bodies; those that come in more than one piece share `max_held` bytes."""

    def __init__(self, max_held: int, timeout_s: float) -> None:
        self._free = max_held
        self._timeout_s = timeout_s

    async def read(self, receive: Receive, length: int, limit: int) -> bytes:
        """The body, of at most `limit` bytes; `length` is what the client says, or 0."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        first: bytes = message.get("body", b"")
        if not message.get("more_body", False) and len(first) <= limit:
            return first
        with self._held(min(length or limit, limit)):
            return await self._rest(receive, first, message.get("more_body", False), limit)

    @contextmanager
    def _held(self, size: int) -> Iterator[None]:
        if size > self._free:
            raise busy("too many large requests at a time")
        self._free -= size
        try:
            yield
        finally:
            self._free += size

    async def _rest(self, receive: Receive, first: bytes, more: bool, limit: int) -> bytes:
        body, spilt = bytearray(first), 0
        try:
            async with asyncio.timeout(self._timeout_s):
                while more and spilt < _SPILL:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    more = message.get("more_body", False)
                    body += message.get("body", b"")
                    if len(body) > limit:
                        spilt += len(body) - limit
                        del body[limit:]
        except TimeoutError:
            detail = f"the body did not arrive within {self._timeout_s:g} s"
            raise Problem(408, "body_timeout", detail, field="body", headers=CLOSE) from None
        if spilt or len(body) > limit:
            raise _too_large(limit)
        return bytes(body)


def _too_large(limit: int) -> Problem:
    detail = f"the body is more than the {limit} bytes allowed here"
    hint = "send fewer events at a time, or a reference to the data"
    return Problem(413, "too_large", detail, field="body", hint=hint, headers=CLOSE)
