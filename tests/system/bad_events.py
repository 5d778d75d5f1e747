"""Bad events, each for both doors: HTTP and straight into Kafka. One table, one refusal.

Put `CONFIG` on the config topic. At the HTTP door, `body_of(bad.event)` is posted with the key of
the event's workspace (`secret_of`); at Kafka's, the event itself is produced to the events topic.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec import Struct

from hookstream.model.records import ApiKey, Event, EventType, Role, Workspace

MAX_DATA = 262_144
_SCHEMA = b'{"type":"object","required":["name"],"properties":{"name":{"type":"string"}}}'
GOOD = Event(
    workspace="strict",
    id="evt_1",
    type="contact.created",
    created_at_ms=1_772_366_400_000,
    data=b'{"name":"Ada","price":1.10}',
)
"""An event with nothing wrong; every bad one differs from it in one thing."""


def secret_of(workspace: str) -> str:
    """The secret of the workspace's API key."""
    return f"hk_of-{workspace}"


def key(workspace: str, role: Role = "producer") -> ApiKey:
    """The API key of a workspace, as config has it."""
    hashed = hashlib.sha256(secret_of(workspace).encode()).digest()
    name = f"key_{workspace}"
    return ApiKey(id=name, workspace=workspace, version=1, role=role, sha256=hashed)


CONFIG: list[Struct] = [
    Workspace(id="strict", version=1, name="Strict", unknown_types="refuse"),
    Workspace(id="gone", version=2, name="Gone", state="deleted"),
    EventType(workspace="strict", name="contact.created", version=1, json_schema=_SCHEMA),
    EventType(workspace="strict", name="contact.updated", version=1),
    EventType(workspace="strict", name="contact.merged", version=2, state="deleted"),
    key("strict"),
    key("gone"),
]


class Bad(NamedTuple):
    """An event, and the refusal it meets."""

    name: str
    event: Event
    code: str
    field: str
    http_field: str | None = None
    """Where HTTP sees the fault, if that differs: text that cannot be taken apart at all."""


def _bad(name: str, code: str, field: str, http: str | None = None, **changed: object) -> Bad:
    return Bad(name, msgspec.structs.replace(GOOD, **changed), code, field, http)


BAD: list[Bad] = [
    _bad("id with a dot", "invalid_id", "id", id="evt.1"),
    _bad("id too long", "invalid_id", "id", id="e" * 65),
    _bad("id empty", "invalid_id", "id", id=""),
    _bad("id not ASCII", "invalid_id", "id", id="évt"),
    _bad("type empty", "invalid_type", "type", type=""),
    _bad("type with a space", "invalid_type", "type", type="contact created"),
    _bad("type too long", "invalid_type", "type", type="t" * 129),
    _bad("type nearly known", "unknown_type", "type", type="contact.craeted"),
    _bad("type deleted", "unknown_type", "type", type="contact.merged"),
    _bad("before 1970", "invalid_created_at", "created_at", created_at_ms=-1),
    _bad("subject too long", "invalid_subject", "subject", subject="s" * 257),
    _bad("subject empty", "invalid_subject", "subject", subject=""),
    _bad("subject with a line break", "invalid_subject", "subject", subject="a\nb"),
    _bad("source with a NUL", "invalid_source", "source", source="a\x00b"),
    _bad("workspace deleted", "unknown_workspace", "workspace", workspace="gone"),
    _bad("addressed to nobody", "unknown_webhook", "webhook", webhook="nobody"),
    _bad("data too large", "too_large", "data", data=b'"%b"' % (b"x" * (MAX_DATA - 1))),
    _bad("data cut off", "invalid_json", "data", "body", data=b'{"name":'),
    _bad("data not a number", "invalid_json", "data", "body", data=b"NaN"),
    _bad("data with a leading zero", "invalid_json", "data", "body", data=b"01"),
    _bad("data not UTF-8", "invalid_json", "data", data=b'{"name":"\xff"}'),
    _bad("data with a lone surrogate", "invalid_json", "data", "body", data=b'{"name":"\\ud800"}'),
    _bad("data with a repeat", "invalid_json", "data", data=b'{"name":"a","name":"b"}'),
    _bad("data nested deeply", "invalid_json", "data", "body", data=b"[" * 9999 + b"]" * 9999),
    _bad("data without what its schema requires", "schema_mismatch", "data", data=b"{}"),
    _bad("data of another type", "schema_mismatch", "data.name", data=b'{"name":1}'),
]


def body_of(event: Event) -> bytes:
    """The event as `POST /v1/events` takes it; its data as it is, valid or not."""
    texts = ("id", "type", "source", "subject", "webhook")
    given = {name: getattr(event, name) for name in texts if getattr(event, name) is not None}
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=event.created_at_ms)
    envelope = json.dumps({**given, "created_at": at.isoformat()}, ensure_ascii=False).encode()
    return envelope[:-1] + b',"data":' + event.data + b"}"
