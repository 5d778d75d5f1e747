"""Saving: one transaction in a thread, then the wait until the change is on its topic."""

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request, Response
from opentelemetry import propagate
from starlette.concurrency import run_in_threadpool

from hookstream.store import outbox
from hookstream.store.change import CONTENDED, Change, change
from services.console.callers import Caller
from services.console.context import Console
from services.console.problems import Problem

T = TypeVar("T")

_TRIES = 3


async def save(console: Console, caller: Caller, work: Callable[[Change], T]) -> tuple[T, bool]:
    """What `work` returned, and whether its change is already on the topic."""
    saved, rows = await run_in_threadpool(_transact, console, caller.id, work)
    if not rows or await console.published.wait(rows, console.settings.publish_wait_s):
        return saved, True
    return saved, not await run_in_threadpool(outbox.waits, console.pool, rows)


def _transact(console: Console, actor: str, work: Callable[[Change], T]) -> tuple[T, list[int]]:
    trace: dict[str, str] = {}
    propagate.inject(trace)
    for left in reversed(range(_TRIES)):
        try:
            with change(console.pool, actor, trace.get("traceparent")) as transaction:
                return work(transaction), transaction.outbox
        except CONTENDED:
            if not left:
                raise
    raise AssertionError("unreachable")


def status(response: Response, published: bool, code: int) -> None:
    """`code` where the change is on the topic, else 202: saved, and on its way."""
    response.status_code = code if published else 202


def versioned(response: Response, row: Any) -> None:
    """Tell the version, to be sent back as If-Match."""
    response.headers["ETag"] = f'"{row.version}"'


def check_version(request: Request, current: int, given: int | None = None) -> None:
    """412 where If-Match, or a `version` in the body, is not the current one."""
    match = request.headers.get("if-match", "").strip()
    wanted = {v.strip().removeprefix("W/").strip('"') for v in match.split(",") if v.strip()}
    if (wanted and "*" not in wanted and str(current) not in wanted) or given not in (
        None,
        current,
    ):
        hint = "read it again, then change it"
        raise Problem(412, "stale", f"the current version is {current}", hint=hint)
