"""`POST /v1/events` and `POST /v1/events/batch`: requests in, events on Kafka, then the answer."""

from typing import NamedTuple

from hookstream.model.records import ApiKey, Event
from hookstream.process import tracing
from services.ingest import batch
from services.ingest.catching_up import CatchingUp, Unsure
from services.ingest.door import MAY_BE_NEW, Door, event_of
from services.ingest.endpoint import Answer, Endpoint, Later, Shared
from services.ingest.head import Head
from services.ingest.keys import Keys
from services.ingest.posted import decode, split
from services.ingest.problems import Problem, refused
from services.ingest.publish import Publisher
from services.ingest.request import Request
from services.ingest.settings import KIB, IngestSettings

ENVELOPE = 16 * KIB
"""What a request may have around the `data` of its event."""
ONE, MANY = "/v1/events", "/v1/events/batch"
PUBLISH = "POST publishes; what was published is listed by GET /v1/log/events"
_ATTRIBUTES = {
    f"POST {path}": {"http.request.method": "POST", "http.route": path} for path in (ONE, MANY)
}


class RequestsToEvents(NamedTuple):
    """The work of the two paths, and what it is done with."""

    settings: IngestSettings
    keys: Keys
    door: Door
    catching_up: CatchingUp
    publisher: Publisher

    def endpoints(self, shared: Shared) -> dict[str, Endpoint]:
        """By path."""
        limits = {
            ONE: self.settings.max_data_bytes + ENVELOPE,
            MANY: self.settings.max_batch_bytes,
        }
        works, entries = {ONE: self.one, MANY: self.many}, {ONE: self._entry, MANY: _many_entry}
        return {
            path: Endpoint(
                shared, path, works[path], limits[path], entries[path], PUBLISH, self.keys
            )
            for path in limits
        }

    def one(self, endpoint: Endpoint, request: Request, certain: bool) -> None:
        """One event: 202 once Kafka has it."""
        head, key = _known(request)
        event = event_of(decode(request.body), key.workspace, head.idempotency_key)
        if (refusal := self.door.check(event)) is not None:
            if refusal.code in MAY_BE_NEW and not certain:
                raise Unsure
            raise refused(refusal)

        def told(problem: Problem | None) -> None:
            if problem is None:
                endpoint.answer(request, 202, b'{"id":"%b"}' % event.id.encode())
            else:
                endpoint.refuse(request, problem)

        self.publisher.put(event, request.span.traceparent, told)

    def many(self, _: Endpoint, request: Request, __: bool) -> Later:
        """A batch: each event is answered by itself, in order."""
        return self._many(request)

    async def _many(self, request: Request) -> Answer:
        head, key = _known(request)
        items = split(request.body)
        batch.check_count(len(items), self.settings.max_batch_events)
        found = await batch.look_at(items, key.workspace, head.idempotency_key, self.door)
        if batch.doubtful(found):
            await self.catching_up()
        batch.settle(found, self.door)
        events = [seen for seen in found if isinstance(seen, Event)]
        trace = request.span.traceparent
        problems = await self.publisher.publish(events, trace) if events else []
        return batch.answer(found, problems)

    def _entry(self, head: Head) -> tracing.Span:
        name, trace = f"POST {ONE}", head.traceparent
        if trace is not None:
            return tracing.span(name, tracing.SERVER, trace, attributes=_ATTRIBUTES[name])
        new = self.publisher.new_trace()
        return tracing.root_span(name, tracing.SERVER, new, attributes=_ATTRIBUTES[name])


def _many_entry(head: Head) -> tracing.Span:
    name = f"POST {MANY}"
    return tracing.span(name, tracing.SERVER, head.traceparent, attributes=_ATTRIBUTES[name])


def _known(request: Request) -> tuple[Head, ApiKey]:
    assert request.head is not None  # noqa: S101 - looked at before
    assert request.key is not None  # noqa: S101
    return request.head, request.key
