"""One path: who may ask, what is refused, and how answers are counted.

What needs nothing but memory is done at once, in the turn in which the request came: no task, no
future. Only what config, as it is known here, would refuse waits until config is read to its end,
and is looked at once more.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any, NamedTuple

from hookstream.process.metrics import Series
from hookstream.process.served import served
from hookstream.process.tracing import Span
from services.ingest.body import Bodies, too_large
from services.ingest.catching_up import CatchingUp, Unsure
from services.ingest.head import Head, read_head
from services.ingest.keys import Keys
from services.ingest.problems import Headers, Problem, not_allowed
from services.ingest.request import JSON, PROBLEM, Answers, Request

Answer = tuple[int, bytes]
Later = Coroutine[Any, Any, Answer]
Work = Callable[["Endpoint", Request, bool], Later | None]
"""Answers a whole request, at once or by what it returns. The flag: whether config is known to its
end; without that, `Unsure` is raised instead of what config may take back."""
Entry = Callable[[Head], Span]
logger = logging.getLogger(__name__)


class Shared(NamedTuple):
    """What all endpoints work with."""

    answers: Answers
    bodies: Bodies
    catching_up: CatchingUp
    tasks: set["asyncio.Task[None]"]
    """Those under way."""


class Endpoint:
    """One path.

    route: as metrics show it; empty where anything may have been asked for. limit: bytes of a body.
    entry: begins the span of a POST; None where any method is answered alike, as nothing is done.
    hint: what a POST does. keys: who may ask; None where no key is asked for.
    """

    def __init__(
        self,
        shared: Shared,
        route: str,
        work: Work,
        limit: int = 0,
        entry: Entry | None = None,
        hint: str = "",
        keys: Keys | None = None,
    ) -> None:
        self.limit = limit
        self.refused = 0
        self._shared, self._route, self._work = shared, route, work
        self._entry, self._hint, self._keys = entry, hint, keys
        self._taken: dict[int, Series] = {}

    def admit(self, request: Request) -> None:
        """Let its body come, if its head is in order."""
        self._try(request, self._admit, False)

    def take(self, request: Request) -> None:
        """Answer it, now or later."""
        self._try(request, self._take, False)

    def answer(self, request: Request, status: int, body: bytes) -> None:
        """The end of a request that was taken."""
        request.span.end()
        self._reply(request, status, JSON, body, ())

    def refuse(self, request: Request, problem: Problem) -> None:
        """The end of one that was not."""
        self.refused += 1
        request.span.end(problem)
        self._reply(request, problem.status, PROBLEM, problem.body(), problem.headers)

    def _reply(
        self, request: Request, status: int, kind: bytes, body: bytes, more: Headers
    ) -> None:
        (self._taken.get(status) or self._taking(status)).add(monotonic() - request.began)
        request.way.reply(*self._shared.answers.write(request, status, kind, body, more))

    def _taking(self, status: int) -> Series:
        self._taken[status] = served("POST" if self._entry else "", self._route, status)
        return self._taken[status]

    def _try(self, request: Request, step: Callable[[Request, bool], None], certain: bool) -> None:
        try:
            step(request, certain)
        except Unsure:
            self._later(self._again(request, step))
        except Problem as problem:
            self.refuse(request, problem)
        except Exception:
            self.refuse(request, _fault())

    def _admit(self, request: Request, certain: bool) -> None:
        self._look_at_head(request, certain)
        if request.ended:
            return
        if request.head is not None:
            size = min(request.head.length or request.limit, request.limit)
            request.room = self._shared.bodies.room(size)
        request.way.receive()

    def _take(self, request: Request, certain: bool) -> None:
        self._look_at_head(request, certain)
        if request.spilt and self._entry is not None:
            raise too_large(request.limit)
        later = self._work(self, request, certain)
        if later is not None:
            self._later(self._finish(request, later))

    def _look_at_head(self, request: Request, certain: bool) -> None:
        if self._entry is None:
            return
        if request.head is None:
            if request.method != b"POST":
                raise not_allowed(request.method, self._hint)
            request.head = read_head(request.headers)
            request.span = self._entry(request.head)
        if self._keys is not None and request.key is None:
            request.key = self._keys.holder(request.head.secret, certain)

    async def _again(self, request: Request, step: Callable[[Request, bool], None]) -> None:
        try:
            await self._shared.catching_up()
        except Problem as problem:
            self.refuse(request, problem)
        else:
            self._try(request, step, True)

    async def _finish(self, request: Request, later: Later) -> None:
        try:
            status, body = await later
        except Problem as problem:
            self.refuse(request, problem)
        except Exception:
            self.refuse(request, _fault())
        else:
            self.answer(request, status, body)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._shared.tasks.add(task)
        task.add_done_callback(self._shared.tasks.discard)


def _fault() -> Problem:
    logger.exception("a request failed")
    return Problem(500, "internal", "a fault of ours; it is in our log")
