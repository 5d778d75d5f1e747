"""Into the pages: a link that works once opens a session in a cookie."""

from fastapi import Request, Response

from hookstream.store import logins
from hookstream.store.change import change
from hookstream.store.keys import Holder
from services.console.callers import hashed
from services.console.context import Console
from services.console.fresh import new_token

COOKIE = "hookstream_session"


def redeemed(console: Console, token: str) -> str | None:
    """The secret of a new session; None where the link was used, is too old, or never was."""
    session = new_token()
    with change(console.pool, "link") as transaction:
        holder = logins.redeem(transaction, hashed(token))
        if holder is None:
            return None
        lasts_s = console.settings.session_lasts_s
        logins.put(transaction, "session", hashed(session), holder.workspace, holder.role, lasts_s)
    return session


def visitor(console: Console, request: Request) -> Holder | None:
    """Whose session the cookie is."""
    secret = request.cookies.get(COOKIE, "")
    return logins.session(console.pool, hashed(secret)) if secret else None


def remember(console: Console, response: Response, session: str) -> None:
    """Give the browser the session, out of reach of scripts and other sites."""
    response.set_cookie(
        COOKIE,
        session,
        max_age=console.settings.session_lasts_s,
        httponly=True,
        samesite="strict",
        secure=console.settings.public_url.startswith("https://"),
    )
