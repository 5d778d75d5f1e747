"""The HTTP application: events and callbacks in, and problem+json for every other path."""

import json

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from hookstream.model.callback import PATH
from services.ingest.callbacks_to_outcomes import CallbacksToOutcomes
from services.ingest.problems import Problem
from services.ingest.requests_to_events import MANY, ONE, Answer, Endpoint, RequestsToEvents


class App:
    """The application, and how many requests it has refused."""

    def __init__(self, requests: RequestsToEvents, callbacks: CallbacksToOutcomes) -> None:
        self.callbacks = callbacks
        one, many = Endpoint(requests.one, ONE), Endpoint(requests.many, MANY)
        hint = 'POST {"status": "done"} closes the delivery'
        close = Endpoint(callbacks.close, PATH + "{token}", hint=hint)
        self._endpoints = [one, many, close]
        self._events = {ONE: one, MANY: many}  # found without a router: they are hot
        routes = [Route(PATH + "{token}", close)]
        nothing = Endpoint(_nothing, "", method="")
        self._router: ASGIApp = Router(routes, redirect_slashes=False, default=nothing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI wants it."""
        app = self._events.get(scope.get("path", ""), self._router)
        await app(scope, receive, send)

    @property
    def refused(self) -> int:
        """Requests that were answered with a problem."""
        return sum(endpoint.refused for endpoint in self._endpoints)


async def _nothing(scope: Scope, _: Receive) -> Answer:
    detail = f"there is no {json.dumps(scope['path'][:80])} here"
    hint = "events go to POST /v1/events or POST /v1/events/batch"
    raise Problem(404, "not_found", detail, hint=hint)
