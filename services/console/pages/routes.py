"""The plain page: webhooks, and recent deliveries with their attempts."""

from collections import defaultdict
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from hookstream.store import log
from hookstream.store.keys import Holder
from hookstream.store.log import Span
from hookstream.store.webhooks import WEBHOOKS, compiled_some
from services.console.api.log_bodies import AttemptOut, attempt_out, delivery_out
from services.console.api.webhook_views import views
from services.console.context import Console, ConsoleDep
from services.console.pages.login import redeemed, remember, visitor
from services.console.trials import is_logged

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parent / "templates"
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=select_autoescape(), undefined=StrictUndefined
)
_GUARDED = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_RECENT = 50


@router.get("/")
def front(request: Request, console: ConsoleDep, token: str = "") -> Response:
    """The page, for who has a session; `?token=` opens one."""
    if token:
        return _enter(console, token)
    holder = visitor(console, request)
    if holder is None:
        return _html("outside.html", 401, why="")
    return _html("front.html", 200, **_content(console, holder))


@router.get("/console.css")
def style() -> Response:
    """How it looks."""
    return Response((_FOLDER / "console.css").read_text(), media_type="text/css")


def _enter(console: Console, token: str) -> Response:
    session = redeemed(console, token)
    if session is None:
        return _html("outside.html", 401, why="This link was used already, or is too old.")
    # Not a redirect: after one, a browser that came from elsewhere would withhold the cookie.
    response = _html("entered.html", 200)
    remember(console, response, session)
    return response


def _content(console: Console, holder: Holder) -> dict[str, object]:
    rows = WEBHOOKS.page(console.pool, holder.workspace, "", 100)
    recent = log.deliveries(console.pool, holder.workspace, Span(), {}, _RECENT)
    compiled = compiled_some(console.pool, holder.workspace, {row.webhook for row in recent})
    logged = [row for row in recent if is_logged(row.kind, compiled.get(row.webhook))]
    attempts: dict[str, list[AttemptOut]] = defaultdict(list)
    for row in log.attempts(console.pool, [each.id for each in logged]):
        attempts[row.delivery].append(attempt_out(row))
    return {
        "workspace": holder.workspace,
        "webhooks": views(console.pool, holder.workspace, rows),
        "latest": log.latest(console.pool, [row.id for row in rows]),
        "deliveries": [delivery_out(row, compiled.get(row.webhook)) for row in logged],
        "attempts": attempts,
    }


def _html(template: str, status: int, **values: object) -> HTMLResponse:
    text = _TEMPLATES.get_template(template).render(**values)
    return HTMLResponse(text, status, headers=_GUARDED)
