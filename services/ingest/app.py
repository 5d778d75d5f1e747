"""What is answered: events, callbacks, and problem+json for everything else."""

import json

from hookstream.model.callback import PATH
from services.ingest.endpoint import Endpoint, Later, Shared, Work
from services.ingest.problems import CLOSE, Problem
from services.ingest.request import Request, path_of

_BROKEN = {
    400: ("invalid_request", "this is not HTTP/1.1 as it should be"),
    408: ("{}_timeout", "the {} did not arrive in time"),
    431: ("head_too_large", "what surrounds the body of this request is too long"),
    500: ("internal", "a fault of ours; it is in our log"),
}


class App:
    """The application: who answers what. `events`: endpoints by their paths."""

    def __init__(self, shared: Shared, events: dict[str, Endpoint], close: Endpoint) -> None:
        self._events = {path.encode(): endpoint for path, endpoint in events.items()}
        self._close = close
        self._nothing = Endpoint(shared, "", _nothing)
        self._broken = {status: Endpoint(shared, "", _broken(status)) for status in _BROKEN}

    def find(self, url: bytes) -> Endpoint:
        """Who answers requests for this URL."""
        return self._events.get(url) or self._found(path_of(url))

    def broken(self, status: int) -> Endpoint:
        """Who answers what cannot be read to its end."""
        return self._broken[status]

    @property
    def refused(self) -> int:
        """Requests that were answered with a problem."""
        others = (self._close, self._nothing, *self._broken.values())
        return sum(endpoint.refused for endpoint in (*self._events.values(), *others))

    def _found(self, path: str) -> Endpoint:
        token = path.removeprefix(PATH)
        if token and token != path and "/" not in token:
            return self._close
        return self._events.get(path.encode(), self._nothing)


def _nothing(_: Endpoint, request: Request, __: bool) -> Later | None:
    detail = f"there is no {json.dumps(path_of(request.url)[:80])} here"
    hint = "events go to POST /v1/events or POST /v1/events/batch"
    raise Problem(404, "not_found", detail, hint=hint)


def _broken(status: int) -> Work:
    code, detail = _BROKEN[status]

    def work(_: Endpoint, request: Request, __: bool) -> Later | None:
        part = "body" if status == 408 and request.method else "request"
        raise Problem(status, code.format(part), detail.format(part), headers=CLOSE)

    return work
