"""Every error as problem+json (RFC 9457): what is wrong, where, and what would do."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from hookstream.model.errors import Refusal
from hookstream.store.change import NameTaken, Stale
from hookstream.store.pool import UNAVAILABLE


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    code: str
    field: str = ""
    detail: str
    hint: str = ""


class ProblemBody(Fault):
    """The body of every error. `code` is stable and for machines."""

    type: str = "about:blank"
    title: str
    status: int
    errors: list[Fault] = []


RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "What is wrong, and what would do (RFC 9457).",
        "content": {"application/problem+json": {"schema": ProblemBody.model_json_schema()}},
    }
}


class Problem(Exception):
    """Ends a request with an error that says what a person can do."""

    def __init__(
        self, status: int, code: str, detail: str, *, field: str = "", hint: str = ""
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.faults = [Fault(code=code, field=field, detail=detail, hint=hint)]
        self.headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}

    def within(self, place: str, words: str = "") -> "Problem":
        """The same of one part of a larger body: `place` before the field, `words` before what
        is wrong."""
        fault = self.faults[0]
        field = f"{place}.{fault.field}" if fault.field else place
        detail = f"{words}{fault.detail}"
        return Problem(self.status, fault.code, detail, field=field, hint=fault.hint)


def invalid(error: ValidationError) -> Problem:
    """What is first wrong with a part of a body that was read by itself."""
    found: dict[str, Any] = dict(error.errors()[0])
    fault = _fault({**found, "loc": ("body", *found["loc"])})
    return Problem(422, fault.code, fault.detail, field=fault.field, hint=fault.hint)


def not_found(what: str, subject: str) -> Problem:
    """Also for what belongs to another workspace: nobody learns that it exists."""
    return Problem(404, "not_found", f"no {what} {subject[:80]!r}", hint=f"list them: GET {what}s")


def must(refusal: Refusal | None, field: str | None = None) -> None:
    """Refuse what one of the model's checks refused."""
    if refusal is not None:
        where = field or refusal.field
        raise Problem(422, refusal.code, refusal.detail, field=where, hint=refusal.hint)


def install(app: FastAPI) -> None:
    """Answer every error of `app` as problem+json."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(NameTaken, _taken)
    app.add_exception_handler(Stale, _stale)
    for error in UNAVAILABLE:
        app.add_exception_handler(error, _unavailable)
    app.add_exception_handler(Exception, _bug)


def _answer(
    status: int, faults: Sequence[Fault], headers: dict[str, str] | None = None
) -> JSONResponse:
    first = faults[0].model_dump()
    title = HTTPStatus(status).phrase
    rest = list(faults) if len(faults) > 1 else []
    body = ProblemBody(title=title, status=status, errors=rest, **first)
    return JSONResponse(
        body.model_dump(exclude_defaults=True) | {"type": body.type},
        status,
        headers,
        media_type="application/problem+json",
    )


def answer(problem: Problem) -> JSONResponse:
    """The answer that says so, where no handler of exceptions is at hand."""
    return _answer(problem.status, problem.faults, problem.headers)


def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - registered for it
    return answer(error)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    faults = [_fault(found) for found in error.errors()]
    syntax = any(fault.code == "json_invalid" for fault in faults)
    return _answer(400 if syntax else 422, faults)


def _fault(found: dict[str, Any]) -> Fault:
    context = found.get("ctx") or {}
    where = [str(part) for part in found["loc"][1:] if not isinstance(part, int)]
    if found["type"] == "json_invalid":
        return Fault(code="json_invalid", detail=f"the body is not JSON: {context.get('error')}")
    return Fault(
        code=found["type"],
        field=".".join([*where, str(context["name"])] if "name" in context else where),
        detail=found["msg"],
        hint=str(context.get("hint", "")),
    )


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    fault = Fault(code=HTTPStatus(error.status_code).name.lower(), detail=str(error.detail))
    return _answer(error.status_code, [fault], dict(error.headers or {}))


def _taken(_: Request, error: Exception) -> JSONResponse:
    field = "id" if str(error) == "workspaces_pkey" else "name"
    detail = f"another one has this {field}, in whatever case of letters"
    return _answer(
        409, [Fault(code="name_taken", field=field, detail=detail, hint="choose another")]
    )


def _stale(_: Request, error: Exception) -> JSONResponse:
    detail = f"{error} was changed by somebody else meanwhile"
    return _answer(412, [Fault(code="stale", detail=detail, hint="read it again, then change it")])


def _unavailable(_: Request, __: Exception) -> JSONResponse:
    detail = "the database does not answer; nothing was saved. Events are delivered all the same"
    fault = Fault(code="database_unavailable", detail=detail, hint="try again")
    return _answer(503, [fault], {"Retry-After": "2"})


def _bug(_: Request, __: Exception) -> JSONResponse:
    return _answer(500, [Fault(code="internal", detail="a fault of ours; it is in our log")])
