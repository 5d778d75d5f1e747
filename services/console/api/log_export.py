"""/v1/log/deliveries/export: deliveries as one stream, by time, success and webhook (M10).

What is told of a delivery is what the log tells: no request headers, so no private ones. Rows are
read page by page, and none is kept: an export may be as long as the log.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from hookstream.store import log
from hookstream.store.log import DeliverySeen, Span
from hookstream.store.webhooks import compiled_some
from services.console.api.log_bodies import From, Till, delivery_out, span
from services.console.callers import Viewer
from services.console.context import Console, ConsoleDep
from services.console.exporting import WRITERS, Row, row_of
from services.console.problems import RESPONSES, Problem
from services.console.trials import is_logged

router = APIRouter(prefix="/v1/log/deliveries", tags=["log"], responses=RESPONSES)

PAGE = 500
"""Rows of each webhook that are in memory at a time."""
Webhooks = Annotated[
    list[str] | None, Query(max_length=50, description="Ids; several may be given")
]
Success = Annotated[
    bool | None, Query(description="true: delivered; false: all that is not, whatever its state")
]
Read = Callable[[Span], Sequence[DeliverySeen]]


@router.get("/export", response_class=StreamingResponse)
def export(
    caller: Viewer,
    console: ConsoleDep,
    webhook: Webhooks = None,
    success: Success = None,
    from_: From = None,
    till: Till = None,
    format: Literal["ndjson", "csv"] = "ndjson",
) -> StreamingResponse:
    """All deliveries of a time span, newest first: one JSON object a line, or CSV."""
    part = span(from_, till, "")
    if part.from_ms is not None and part.till_ms is not None and part.from_ms >= part.till_ms:
        raise Problem(422, "empty_span", "till is not later than from", field="till")
    _check_webhooks(console, caller.home, webhook or [])
    pages = _pages(console, caller.home, _rows(console, caller.home, part, webhook, success))
    first = next(pages, [])  # what cannot be read at all is an error, not a stream
    written = WRITERS[format]
    return StreamingResponse(
        chain([written.head], map(written.lines, chain([first], pages))),
        media_type=written.media_type,
        headers={"Content-Disposition": f'attachment; filename="deliveries.{format}"'},
    )


def _check_webhooks(console: Console, workspace: str, webhooks: Sequence[str]) -> None:
    known = compiled_some(console.pool, workspace, webhooks) if webhooks else {}
    for wanted in webhooks:
        if wanted not in known:
            hint = "ids are listed by GET /v1/webhooks"
            detail = f"no webhook {wanted[:80]!r}"
            raise Problem(422, "unknown_webhook", detail, field="webhook", hint=hint)


def _rows(
    console: Console,
    workspace: str,
    part: Span,
    webhooks: Sequence[str] | None,
    success: bool | None,
) -> Iterator[DeliverySeen]:
    """Newest first. Each webhook has an index of its own: several are read side by side."""
    pool = console.pool
    if not webhooks and success is False:
        return _each(lambda at: log.undelivered(pool, workspace, at, PAGE), part)
    wanted: list[dict[str, str]] = [
        {"webhook": webhook} for webhook in dict.fromkeys(webhooks or ())
    ]
    read = partial(log.deliveries, pool, workspace, limit=PAGE)
    streams = [_each(partial(read, equal=equal), part) for equal in wanted or [{}]]
    found = heapq.merge(*streams, key=lambda row: (row.logged_at_ms, row.id), reverse=True)
    return (row for row in found if success in (None, row.state == "succeeded"))


def _each(read: Read, part: Span) -> Iterator[DeliverySeen]:
    rows = read(part)
    while rows:
        yield from rows
        last = rows[-1]
        rows = read(part._replace(before=(last.logged_at_ms, last.id))) if len(rows) == PAGE else ()


def _pages(console: Console, workspace: str, rows: Iterator[DeliverySeen]) -> Iterator[list[Row]]:
    page: list[DeliverySeen] = []
    for row in rows:
        page.append(row)
        if len(page) == PAGE:
            yield _shown(console, workspace, page)
            page = []
    if page:
        yield _shown(console, workspace, page)


def _shown(console: Console, workspace: str, page: Sequence[DeliverySeen]) -> list[Row]:
    known = compiled_some(console.pool, workspace, {row.webhook for row in page})
    shown = []
    for row in page:
        webhook = known.get(row.webhook)
        if is_logged(row.kind, webhook):
            told = delivery_out(row, webhook).model_dump(mode="json")
            more = {"transaction_id": row.id, "success": row.state == "succeeded"}
            shown.append(row_of(told | more))
    return shown
