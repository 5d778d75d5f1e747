"""Who asks, and what they may: API keys by role, and the operator's key."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from msgspec import Struct

from hookstream.model.records import Role
from hookstream.store import keys
from services.console.context import Console, ConsoleDep
from services.console.problems import Problem

ROLES: tuple[Role, ...] = ("producer", "viewer", "editor", "admin")
"""Each may all that those before it may."""

_BEARER = HTTPBearer(auto_error=False)
_PLAIN = APIKeyHeader(name="X-API-KEY", auto_error=False)


class Caller(Struct, frozen=True):
    """A key's holder; the operator has no workspace."""

    id: str
    workspace: str | None
    role: Role

    @property
    def is_operator(self) -> bool:
        return self.workspace is None

    @property
    def home(self) -> str:
        """The caller's workspace. 403 for the operator, who has none."""
        if self.workspace is None:
            hint = "make one: POST /v1/workspaces/{id}/keys"
            raise Problem(403, "no_workspace", "this needs the key of a workspace", hint=hint)
        return self.workspace


def hashed(secret: str) -> bytes:
    """As keys, links and sessions are kept."""
    return hashlib.sha256(secret.encode()).digest()


def caller(
    console: ConsoleDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    plain: Annotated[str | None, Security(_PLAIN)],
) -> Caller:
    """Whose key came with the request. 401 without a valid one."""
    secret = (bearer.credentials if bearer else plain or "").strip()
    if not secret:
        hint = "send Authorization: Bearer <key>, or X-API-KEY: <key>"
        raise Problem(401, "key_missing", "no API key came with the request", hint=hint)
    if _is_operator(console, secret):
        return Caller("operator", None, "admin")
    found = keys.holder(console.pool, hashed(secret))
    if found is None:
        hint = "keys are made by POST /v1/keys and shown once"
        raise Problem(401, "key_unknown", "this API key is not valid", hint=hint)
    return Caller(found.id, found.workspace, found.role)


def needs(role: Role) -> Callable[[Caller], Caller]:
    """A dependency: the caller, who has at least this role in a workspace. 403 otherwise."""

    def checked(found: Annotated[Caller, Depends(caller)]) -> Caller:
        if found.home and ROLES.index(found.role) < ROLES.index(role):
            detail = f"this needs the role {role}; the key has {found.role}"
            raise Problem(403, "role_too_low", detail, hint="ask an admin for another key")
        return found

    return checked


def operator(found: Annotated[Caller, Depends(caller)]) -> Caller:
    """The operator, or 403."""
    if not found.is_operator:
        hint = "it is the setting HOOKSTREAM_CONSOLE_OPERATOR_KEY"
        raise Problem(403, "operator_only", "this needs the operator's key", hint=hint)
    return found


Anyone = Annotated[Caller, Depends(caller)]
Viewer = Annotated[Caller, Depends(needs("viewer"))]
Editor = Annotated[Caller, Depends(needs("editor"))]
Admin = Annotated[Caller, Depends(needs("admin"))]
Operator = Annotated[Caller, Depends(operator)]


def _is_operator(console: Console, secret: str) -> bool:
    key = console.settings.operator_key
    return key is not None and hmac.compare_digest(key.get_secret_value().encode(), secret.encode())
