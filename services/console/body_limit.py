"""No request body is larger than 8 MiB: said at once where its length is known, else on the way."""

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.console.problems import Problem, answer

MOST_BYTES = 8 * 1024 * 1024


class _TooLarge(BaseException):
    """Ends the application's reading. None of its handlers of exceptions may turn it into another
    answer, so it is none of theirs to catch."""


class BodyLimit:
    """Wraps the application: 413 for what is larger, whatever the route."""

    def __init__(self, app: ASGIApp, most_bytes: int = MOST_BYTES) -> None:
        self._app = app
        self._most = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _declared(HTTPConnection(scope).headers) > self._most:
            await self._refuse(scope, receive, send)
        else:
            try:
                await self._app(scope, _bounded(receive, self._most), send)
            except _TooLarge:
                await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"the body is larger than {self._most} bytes"
        problem = Problem(413, "body_too_large", detail, hint="send less, or in several requests")
        await answer(problem)(scope, receive, send)


def _declared(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _bounded(receive: Receive, most: int) -> Receive:
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            raise _TooLarge
        return message

    return counted
