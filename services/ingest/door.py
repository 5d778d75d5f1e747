"""From what was posted to an event that may go in: its id, its time, and the shared checks."""

import time
from os import urandom

from msgspec import UNSET

from hookstream.model.checks import check
from hookstream.model.config import Config
from hookstream.model.errors import Refusal
from hookstream.model.ids import event_id, event_id_for_key
from hookstream.model.records import Event
from services.ingest.posted import Posted, Text, created_at_ms
from services.ingest.problems import Problem

ID_SALT = b"hookstream idempotency-key v1"
"""The same in every replica, for ever: another one would make a repeat a new event."""
MAY_BE_NEW = frozenset({"unknown_type", "unknown_workspace", "unknown_webhook", "schema_mismatch"})
"""Refusals that config, read to its end, may take back."""


class Door:
    """The checks at the HTTP door; the router has the same for events straight in Kafka."""

    def __init__(self, config: Config, max_data_bytes: int) -> None:
        self._config = config
        self._max_data_bytes = max_data_bytes

    def check(self, event: Event) -> Refusal | None:
        """The first thing that is wrong, by config as it is known now."""
        workspace, types = event.workspace, self._config.event_types.get(event.workspace, {})
        return check(
            event,
            self._config.workspaces.get(workspace),
            types.get(event.type),
            lambda: [name for name, known in list(types.items()) if known.state == "active"],
            lambda name: self._has_webhook(workspace, name.lower()),
            self._max_data_bytes,
        )

    def _has_webhook(self, workspace: str, name: str) -> bool:
        webhooks = list(self._config.by_workspace.get(workspace, {}).values())
        return any(w.name.lower() == name for w in webhooks if w.state != "deleted")


def event_of(posted: Posted, workspace: str, idempotency_key: str) -> Event:
    """The event that was posted, with an id. Its data is a copy of the very bytes."""
    now_ms = time.time_ns() // 1_000_000
    return Event(
        workspace=workspace,
        id=_id(posted.id, workspace, idempotency_key, now_ms),
        type=posted.type,
        created_at_ms=created_at_ms(posted, now_ms),
        data=bytes(posted.data),
        source=_given(posted.source),
        subject=_given(posted.subject),
        webhook=_given(posted.webhook),
    )


def _id(given: Text, workspace: str, idempotency_key: str, now_ms: int) -> str:
    own = _given(given)
    if not idempotency_key:
        return event_id(now_ms, urandom(10)) if own is None else own
    keyed = event_id_for_key(ID_SALT, workspace, idempotency_key)
    if own is None or own == keyed:
        return keyed
    if own == idempotency_key:
        return own
    detail = "id and Idempotency-Key name different events"
    raise Problem(400, "id_mismatch", detail, field="id", hint="send one of the two, or equal ones")


def _given(text: Text) -> str | None:
    return None if text is UNSET else text
