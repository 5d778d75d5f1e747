"""Records for the tests of the views."""

from datetime import date
from typing import Any

import msgspec

from hookstream.model.policy import Policy
from hookstream.model.records import Attempt, Event, Outcome, Response, Result, Webhook, Workspace
from hookstream.store.logged import Logged
from hookstream.store.offsets import Move

DAY = date(2026, 3, 1)
NOON_MS = 1_772_366_400_000
"""Noon of DAY."""


def today() -> date:
    """The day the tests take for today."""
    return DAY


def outcome(result: Result = "succeeded", **changed: object) -> Outcome:
    """An outcome with a request, of turn 1."""
    base = Outcome(
        workspace="ws",
        delivery="d1",
        turn=1,
        webhook="wh",
        webhook_version=1,
        lane="wh",
        event="evt_1",
        event_type="order.paid",
        result=result,
        logged_at_ms=NOON_MS,
        ended_at_ms=NOON_MS + 20,
        attempt_number=1,
        attempt=Attempt(started_at_ms=NOON_MS, duration_ms=20, status=200),
        response=Response(status=200, headers=(("server", "x"),), body=b"ok"),
    )
    return msgspec.structs.replace(base, **changed)


def event(**changed: object) -> Event:
    """An event with a payload that no parser may touch."""
    base = Event(
        workspace="ws", id="evt_1", type="order.paid", created_at_ms=0, data=b'{"n": 1.10}'
    )
    return msgspec.structs.replace(base, **changed)


def webhook(**changed: object) -> Webhook:
    """An active webhook that is disabled when a delivery has used up its attempts."""
    base = Webhook(
        id="wh",
        workspace="ws",
        version=1,
        name="orders",
        state="active",
        url="https://example.com/",
        lane="wh",
        policy=Policy(id="p", name="p", disable_after_exhausted=True),
    )
    return msgspec.structs.replace(base, **changed)


def put_webhook(cursor: Any, record: Webhook) -> None:
    """A webhook's row, as far as status reads it, with its workspace and policy."""
    workspace = Workspace(id="ws", version=1, name="ws")
    cursor.execute(
        "INSERT INTO workspaces (id, version, name, state, unknown_types, default_policy, record)"
        " VALUES ('ws', 1, 'ws', 'active', 'accept', 'p', %s) ON CONFLICT DO NOTHING",
        (msgspec.msgpack.encode(workspace),),
    )
    cursor.execute(
        "INSERT INTO webhooks (id, workspace, version, name, state, url, method, events, policy,"
        " secrets, headers, max_in_flight, send_traceparent, record)"
        " VALUES (%s, 'ws', %s, %s, %s, '', 'POST', '{}', 'p', '{}', '', 1, false, %s)"
        " ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state,"
        " record = excluded.record",
        (record.id, record.version, record.name, record.state, msgspec.msgpack.encode(record)),
    )


def move(start: int, end: int, topic: str = "outcomes") -> list[Move]:
    """From here to there in partition 0."""
    return [Move(topic, 0, start, end)]


def at(record: object, offset: int, partition: int = 0, at_ms: int = NOON_MS) -> Logged[Any]:
    """The record as read at a place in the log."""
    return Logged(record, partition, offset, at_ms)
