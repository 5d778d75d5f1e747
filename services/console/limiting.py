"""How often one API key may ask: a token bucket a key, in memory, 429 where it is empty (W13).

Every answer says where the key stands, by the fields of draft-ietf-httpapi-ratelimit-headers-10.
Each process of the console counts for itself.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.console.callers import hashed
from services.console.problems import Problem, answer

MOST_KEYS = 10_000
"""Buckets kept: those used last. A bucket that was dropped is a full one."""


class Standing(Struct, frozen=True):
    """Where a key stands after one more request."""

    allowed: bool
    remaining: int
    """Requests that could follow at once."""
    full_in_s: float
    next_in_s: float
    """Until one more is allowed; 0: now."""


class Buckets:
    """A bucket of `burst` tokens for each key, refilled at `per_s`."""

    def __init__(
        self, per_s: float, burst: int, clock: Callable[[], float], most_keys: int = MOST_KEYS
    ) -> None:
        self.per_s, self.burst = per_s, burst
        self._clock = clock
        self._most = most_keys
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, key: bytes) -> Standing:
        """One request of this key. What is refused takes nothing."""
        now_s = self._clock()
        tokens, at_s = self._buckets.pop(key, (float(self.burst), now_s))
        tokens = min(self.burst, tokens + (now_s - at_s) * self.per_s)
        allowed = tokens >= 1
        tokens -= allowed
        self._buckets[key] = tokens, now_s
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return Standing(
            allowed,
            math.floor(tokens),
            (self.burst - tokens) / self.per_s,
            max(0.0, 1 - tokens) / self.per_s,
        )


class Limiting:
    """Wraps the application. Requests without an API key (pages, health) are not counted."""

    def __init__(
        self, app: ASGIApp, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._buckets = Buckets(per_s, burst, clock)
        self._policy = f'"key";q={burst};w={math.ceil(burst / per_s)}'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        key = presented(HTTPConnection(scope).headers) if scope["type"] == "http" else ""
        if not key:
            await self._app(scope, receive, send)
            return
        standing = self._buckets.take(hashed(key))
        telling = self._telling(standing, send)
        if standing.allowed:
            await self._app(scope, receive, telling)
        else:
            await answer(self._refusal(standing))(scope, receive, telling)

    def _refusal(self, standing: Standing) -> Problem:
        wait_s = math.ceil(standing.next_in_s)
        problem = Problem(
            429,
            "rate_limited",
            f"this key may ask {self._buckets.per_s:g} times a second,"
            f" {self._buckets.burst} times at once",
            hint=f"ask again in {wait_s} s",
        )
        problem.headers["Retry-After"] = str(wait_s)
        return problem

    def _telling(self, standing: Standing, send: Send) -> Send:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["RateLimit-Policy"] = self._policy
                full_s = math.ceil(standing.full_in_s)
                headers["RateLimit"] = f'"key";r={standing.remaining};t={full_s}'
            await send(message)

        return told


def presented(headers: Headers) -> str:
    """The API key that came with a request, valid or not; empty: none. As `callers` reads it."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    bearer = credentials if scheme.lower() == "bearer" else ""
    return (bearer or headers.get("x-api-key", "")).strip()
