"""`POST /v1/events` and `POST /v1/events/batch`: requests in, events on Kafka, then the answer."""

import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from hookstream.model.errors import Refusal
from hookstream.model.records import Event
from hookstream.process import tracing
from hookstream.process.metrics import Series
from hookstream.process.served import served
from services.ingest import batch
from services.ingest.body import Bodies, Gone
from services.ingest.catching_up import CatchingUp
from services.ingest.door import MAY_BE_NEW, Door, event_of
from services.ingest.head import Head, read_head
from services.ingest.keys import Keys
from services.ingest.posted import decode, split
from services.ingest.problems import Headers, Problem, refused
from services.ingest.publish import Publisher
from services.ingest.settings import KIB, IngestSettings

ENVELOPE = 16 * KIB
"""What a request may have around the `data` of its event."""
ONE, MANY = "/v1/events", "/v1/events/batch"
PUBLISH = "POST publishes; what was published is listed by GET /v1/log/events"
_ATTRIBUTES = {
    f"POST {path}": {"http.request.method": "POST", "http.route": path} for path in (ONE, MANY)
}
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")

Answer = tuple[int, bytes]
Handler = Callable[[Scope, Receive], Awaitable[Answer]]
logger = logging.getLogger(__name__)


class Endpoint:
    """One path as an ASGI application without any middleware: it is hot."""

    def __init__(
        self, handler: Handler, route: str, method: str = "POST", hint: str = PUBLISH
    ) -> None:
        """`method`: the only one that is taken; empty for any. `hint`: what it does. `route`: the
        path as metrics show it; empty where anything may have been asked for."""
        self._handler = handler
        self._route = route
        self._taken: dict[int, Series] = {}
        self._method = method
        self._hint = hint
        self.refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever it is refused with is problem+json."""
        kind, more, began = _JSON, Headers(), monotonic()
        try:
            status, body = await self._handled(scope, receive)
        except Gone:
            return
        except Problem as problem:
            self.refused += 1
            status, body, kind, more = problem.status, problem.body(), _PROBLEM, problem.headers
        headers = [kind, (b"content-length", b"%d" % len(body)), *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        (self._taken.get(status) or self._taking(status)).add(monotonic() - began)

    def _taking(self, status: int) -> Series:
        self._taken[status] = served(self._method, self._route, status)
        return self._taken[status]

    async def _handled(self, scope: Scope, receive: Receive) -> Answer:
        if self._method and scope["method"] != self._method:
            raise _not_allowed(scope["method"], self._hint)
        try:
            return await self._handler(scope, receive)
        except (Problem, Gone):
            raise
        except Exception:
            logger.exception("a request failed")
            raise Problem(500, "internal", "a fault of ours; it is in our log") from None


class RequestsToEvents(NamedTuple):
    """Handlers of the two paths, and what they work with."""

    settings: IngestSettings
    keys: Keys
    bodies: Bodies
    door: Door
    catching_up: CatchingUp
    publisher: Publisher

    async def one(self, scope: Scope, receive: Receive) -> Answer:
        """One event: 202 once Kafka has it."""
        head = read_head(scope["headers"])
        with self._entry(f"POST {ONE}", head) as span:
            key = await self.keys.holder(head.secret)
            limit = self.settings.max_data_bytes + ENVELOPE
            body = await self.bodies.read(receive, head.length, limit)
            event = event_of(decode(body), key.workspace, head.idempotency_key)
            if (refusal := self.door.check(event)) is not None:
                await self._check_again(event, refusal)
            (problem,) = await self.publisher.publish((event,), span.traceparent)
            if problem is not None:
                raise problem
            return 202, b'{"id":"%b"}' % event.id.encode()

    async def many(self, scope: Scope, receive: Receive) -> Answer:
        """A batch: each event is answered by itself, in order."""
        head = read_head(scope["headers"])
        with _server_span(f"POST {MANY}", head.traceparent) as span:
            key = await self.keys.holder(head.secret)
            body = await self.bodies.read(receive, head.length, self.settings.max_batch_bytes)
            items = split(body)
            batch.check_count(len(items), self.settings.max_batch_events)
            found = await batch.look_at(items, key.workspace, head.idempotency_key, self.door)
            if batch.doubtful(found):
                await self.catching_up()
            batch.settle(found, self.door)
            events = [seen for seen in found if isinstance(seen, Event)]
            problems = await self.publisher.publish(events, span.traceparent) if events else []
            return batch.answer(found, problems)

    async def _check_again(self, event: Event, refusal: Refusal) -> None:
        again: Refusal | None = refusal
        if refusal.code in MAY_BE_NEW:
            await self.catching_up()
            again = self.door.check(event)
        if again is not None:
            raise refused(again)

    def _entry(self, name: str, head: Head) -> tracing.Span:
        if head.traceparent is not None:
            return _server_span(name, head.traceparent)
        new = self.publisher.new_trace()
        return tracing.root_span(name, tracing.SERVER, new, attributes=_ATTRIBUTES[name])


def _server_span(name: str, trace: bytes | None) -> tracing.Span:
    return tracing.span(name, tracing.SERVER, trace, attributes=_ATTRIBUTES[name])


def _not_allowed(method: str, hint: str) -> Problem:
    detail = f"{method[:20]} is not for this path"
    return Problem(405, "method_not_allowed", detail, hint=hint, headers=((b"allow", b"POST"),))
