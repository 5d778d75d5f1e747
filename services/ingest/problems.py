"""Every refusal as problem+json (RFC 9457): what is wrong, where, and what would do."""

import json
from http import HTTPStatus
from typing import Any

from hookstream.model.errors import Refusal

Headers = tuple[tuple[bytes, bytes], ...]
CLOSE: Headers = ((b"connection", b"close"),)
_UNREAD = {401, 403, 405, 415}
"""Answered before the body was read: what still comes of it must not be waited for."""
_STATUS = {"too_large": 413, "unknown_workspace": 403}
"""Of a refusal's code, where it is not 422."""


class Problem(Exception):
    """Ends a request, or one event of a batch, with an error that says what a person can do."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str = "",
        hint: str = "",
        event: str = "",
        headers: Headers = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers + CLOSE if status in _UNREAD else headers
        given = {"field": field, "detail": detail, "hint": hint, "id": event}
        self._told = {"code": code} | {name: text for name, text in given.items() if text}

    def told(self) -> dict[str, Any]:
        """The members of the answer, without what RFC 9457 adds for a whole request."""
        return {"status": self.status, **self._told}

    def body(self) -> bytes:
        """The whole answer."""
        title = HTTPStatus(self.status).phrase
        return json.dumps({"type": "about:blank", "title": title, **self.told()}).encode()


def refused(refusal: Refusal, event: str = "") -> Problem:
    """What one of the model's checks refused."""
    return Problem(
        _STATUS.get(refusal.code, 422),
        refusal.code,
        refusal.detail,
        field=refusal.field,
        hint=refusal.hint,
        event=event,
    )


def unknown(event: str) -> Problem:
    """Kafka has not said in time that it has the event; it may have it all the same."""
    return Problem(
        503,
        "unknown",
        "Kafka has not confirmed this event in time; whether it was taken is unknown",
        hint="repeat it with this id: it is never delivered twice",
        event=event,
        headers=((b"retry-after", b"2"),),
    )


def busy(detail: str) -> Problem:
    """We cannot take or check anything now; certainly nothing was taken."""
    hint = "try again"
    return Problem(503, "busy", detail, hint=hint, headers=((b"retry-after", b"2"),))


def not_allowed(method: bytes, hint: str) -> Problem:
    """A path that takes nothing but POST. `hint`: what that does."""
    detail = f"{method.decode()[:20]} is not for this path"
    return Problem(405, "method_not_allowed", detail, hint=hint, headers=((b"allow", b"POST"),))
