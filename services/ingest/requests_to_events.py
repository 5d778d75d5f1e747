"""`POST /v1/events` and `POST /v1/events/batch`: requests in, events on Kafka, then the answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from msgspec import Raw
from starlette.types import Receive, Scope, Send

from hookstream.model.errors import Refusal
from hookstream.model.records import Event
from hookstream.process import tracing
from services.ingest.body import Bodies, Gone
from services.ingest.catching_up import CatchingUp
from services.ingest.door import MAY_BE_NEW, Door, event_of
from services.ingest.head import Head, read_head
from services.ingest.keys import Keys
from services.ingest.posted import decode, split
from services.ingest.problems import Problem, refused
from services.ingest.publish import Publisher
from services.ingest.settings import KIB, IngestSettings

ENVELOPE = 16 * KIB
"""What a request may have around the `data` of its event."""
_AT_ONCE = 50
"""Events of a batch that are looked at before other requests get their turn."""
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")

Answer = tuple[int, bytes]
Handler = Callable[[Scope, Receive], Awaitable[Answer]]


class Parts(NamedTuple):
    """What the handlers work with."""

    settings: IngestSettings
    keys: Keys
    bodies: Bodies
    door: Door
    catching_up: CatchingUp
    publisher: Publisher


class Requests:
    """Handlers of the two paths, as ASGI applications without any middleware: they are hot."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.refused = 0

    async def one(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /v1/events`."""
        await self._answer(self._one, scope, receive, send)

    async def batch(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /v1/events/batch`."""
        await self._answer(self._batch, scope, receive, send)

    async def _answer(self, handler: Handler, scope: Scope, receive: Receive, send: Send) -> None:
        kind, more = _JSON, ()
        try:
            if scope["method"] != "POST":
                raise _not_allowed(scope["method"])
            status, body = await handler(scope, receive)
        except Gone:
            return
        except Problem as problem:
            self.refused += 1
            status, body, kind, more = problem.status, problem.body(), _PROBLEM, problem.headers
        length = (b"content-length", b"%d" % len(body))
        await send(
            {"type": "http.response.start", "status": status, "headers": [kind, length, *more]}
        )
        await send({"type": "http.response.body", "body": body})

    async def _one(self, scope: Scope, receive: Receive) -> Answer:
        parts, head = self._parts, read_head(scope["headers"])
        with _server_span("POST /v1/events", head) as span:
            key = await parts.keys.holder(head.secret)
            limit = parts.settings.max_data_bytes + ENVELOPE
            body = await parts.bodies.read(receive, head.length, limit)
            event = event_of(decode(body), key.workspace, head.idempotency_key)
            if (refusal := parts.door.check(event)) is not None:
                await self._check_again(event, refusal)
            (problem,) = await parts.publisher.publish((event,), _trace(span, head))
            if problem is not None:
                raise problem
            return 202, b'{"id":"%b"}' % event.id.encode()

    async def _check_again(self, event: Event, refusal: Refusal) -> None:
        again: Refusal | None = refusal
        if refusal.code in MAY_BE_NEW:
            await self._parts.catching_up()
            again = self._parts.door.check(event)
        if again is not None:
            raise refused(again)

    async def _batch(self, scope: Scope, receive: Receive) -> Answer:
        parts, head = self._parts, read_head(scope["headers"])
        with _server_span("POST /v1/events/batch", head) as span:
            key = await parts.keys.holder(head.secret)
            body = await parts.bodies.read(receive, head.length, parts.settings.max_batch_bytes)
            items = split(body)
            _check_count(len(items), parts.settings.max_batch_events)
            looked_at = await self._look_at(items, key.workspace, head)
            events = [found for found in looked_at if isinstance(found, Event)]
            problems = await parts.publisher.publish(events, _trace(span, head)) if events else []
            return _answers(looked_at, dict(zip(events_by_place(looked_at), problems, strict=True)))

    async def _look_at(
        self, items: list[bytes | Raw], workspace: str, head: Head
    ) -> list[Event | Problem]:
        found: list[Event | Problem] = []
        for number, item in enumerate(items):
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            keyed = f"{head.idempotency_key}/{number}" if head.idempotency_key else ""
            try:
                event = event_of(decode(item), workspace, keyed)
                if (refusal := self._parts.door.check(event)) is not None:
                    await self._check_again(event, refusal)
                found.append(event)
            except Problem as problem:
                found.append(problem)
        return found


def events_by_place(looked_at: list[Event | Problem]) -> list[int]:
    """The places in a batch whose events went to Kafka."""
    return [number for number, found in enumerate(looked_at) if isinstance(found, Event)]


def _answers(looked_at: list[Event | Problem], problems: dict[int, Problem | None]) -> Answer:
    """202 if all are in, 207 if some are, else the gravest of what each was refused with."""
    told: list[dict[str, Any]] = []
    for number, found in enumerate(looked_at):
        if isinstance(found, Event):
            problem = problems[number]
            told.append(problem.told() if problem else {"status": 202, "id": found.id})
        else:
            told.append(found.told())
    accepted = sum(answer["status"] == 202 for answer in told)
    status = 207 if accepted else max(answer["status"] for answer in told)
    return 202 if accepted == len(told) else status, json.dumps({"events": told}).encode()


def _check_count(count: int, most: int) -> None:
    if not count:
        raise Problem(422, "empty_batch", "the batch has no events", field="body")
    if count > most:
        detail = f"the batch has {count} events, more than the {most} allowed"
        raise Problem(413, "too_many_events", detail, field="body", hint="send several batches")


def _server_span(name: str, head: Head) -> tracing.Span:
    attributes = {"http.request.method": "POST", "http.route": name.removeprefix("POST ")}
    return tracing.span(name, tracing.SERVER, head.traceparent, attributes=attributes)


def _trace(span: tracing.Span, head: Head) -> bytes | None:
    return span.traceparent if head.traceparent is not None else None


def _not_allowed(method: str) -> Problem:
    hint = "POST publishes; what was published is listed by GET /v1/log/events"
    headers = ((b"allow", b"POST"), (b"connection", b"close"))
    return Problem(405, "method_not_allowed", f"{method} is not for this", hint=hint, headers=headers)
