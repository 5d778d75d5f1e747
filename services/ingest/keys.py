"""Whose key came with a request, and whether it may publish."""

import hashlib

from hookstream.model.config import Config
from hookstream.model.records import ApiKey, Role
from services.ingest.catching_up import Unsure
from services.ingest.problems import Problem

MAY_PUBLISH: frozenset[Role] = frozenset({"producer", "editor", "admin"})
_ASK_FOR_IT = ((b"www-authenticate", b"Bearer"),)


class Keys:
    """The API keys of config, by the hash of their secret."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def holder(self, secret: bytes, certain: bool) -> ApiKey:
        """The key with this secret. 401 without a valid one, 403 if it may not publish.

        Raises `Unsure` where it is not `certain` that config is known to its end.
        """
        if not secret:
            hint = "send Authorization: Bearer <key>, or X-API-KEY: <key>"
            raise _unauthorized("key_missing", "no API key came with the request", hint)
        key = self._config.keys.get(hashlib.sha256(secret).digest())
        if key is None or key.state != "active":
            if not certain:
                raise Unsure
            hint = "keys are made by POST /v1/keys and shown once"
            raise _unauthorized("key_unknown", "this API key is not valid", hint)
        if key.role not in MAY_PUBLISH:
            detail = f"publishing needs the role producer, editor or admin; the key has {key.role}"
            hint = "ask an admin for another key"
            raise Problem(403, "role_too_low", detail, field="Authorization", hint=hint)
        return key


def _unauthorized(code: str, detail: str, hint: str) -> Problem:
    return Problem(401, code, detail, field="Authorization", hint=hint, headers=_ASK_FOR_IT)
