"""Configuration from the topic into Postgres, by the higher version; nothing acts meanwhile."""

import threading
from contextlib import closing
from typing import Any

import msgspec
import pytest

from hookstream.model.policy import Policy, Schedule
from hookstream.model.records import (
    ApiKey,
    Cancellation,
    EventType,
    Header,
    Outcome,
    Workspace,
)
from hookstream.store import offsets
from hookstream.store.current import current, versions
from hookstream.store.integrations import IntegrationRow
from hookstream.store.pool import Connection, Cursor
from hookstream.store.restoring import restore, webhook_values
from hookstream.store.session import Session
from hookstream.store.views import Views
from hookstream.store.webhooks import WebhookRow
from services.console.compile import compile_webhook
from services.status.settings import StatusSettings
from services.status.upkeep import Upkeep
from tests.status.samples import outcome, put_webhook, webhook
from tests.status.test_waiting import Log, waiting

OURS = Workspace(id="ws", version=3, name="Ours", unknown_types="refuse")
POLICY = Policy(id="pol_1", version=4, name="quick", schedule=Schedule(delays_ms=(1, 2)))
HOOK = webhook(
    version=7,
    policy=POLICY,
    secrets=(b"sealed",),
    headers=(Header(name="x-key", value=b"sealed", private=True),),
    events=("order.*",),
    rate_per_s=5.0,
    properties=b'{"a":1}',
    extract={"id": "id"},
    was_verified=True,
)
KEY = ApiKey(id="key_1", workspace="ws", version=2, role="admin", sha256=b"\1" * 32)
KIND = EventType(workspace="ws", name="order.paid", version=5, group="orders", sample=b"{}")
CANCELLED = Cancellation(workspace="ws", delivery="d9", at_ms=1)
EVERYTHING = (OURS, HOOK, KEY, KIND, CANCELLED)


def row_of(values: dict[str, Any]) -> WebhookRow:
    return WebhookRow(**{name: values[name] for name in values.keys() - {"record"}})


def test_what_the_topic_knows_is_there_as_it_was(dsn: str) -> None:
    with closing(Session(dsn)) as session, session.transaction() as cursor:
        done = restore(cursor, [*EVERYTHING, webhook(id="stray", workspace="unknown")])
        assert {name: n for name, n in done.items() if n} == {
            "workspaces": 1,
            "webhooks": 1,
            "api_keys": 1,
            "event_types": 1,
            "policies": 1,
            "cancellations": 1,
            "without_workspace": 1,
        }
        keys = ["workspace/ws", "webhook/wh", "api_key/key_1", "event_type/ws/order.paid"]
        assert [current(cursor, key) for key in (*keys, "cancel/d9")] == [
            OURS, HOOK, KEY, KIND, CANCELLED,
        ]  # fmt: skip
        assert dict(versions(cursor))["webhook/wh"] == 7
        assert not any(restore(cursor, EVERYTHING).values())
        rules = cursor.execute("SELECT rules FROM policies").fetchone()
        assert rules is not None
        assert msgspec.msgpack.decode(rules[0], type=Policy) == POLICY


def test_the_higher_version_stays_whoever_has_it(connection: Connection, dsn: str) -> None:
    with connection.cursor() as cursor:
        put_webhook(cursor, webhook(version=5))
        put_webhook(cursor, webhook(id="wh2", name="other", version=5))
        restore(cursor, [OURS, webhook(version=4, state="paused")])
        restore(cursor, [webhook(id="wh2", name="other", version=6, state="disabled")])
        assert _state(cursor, "wh") == ("active", 5)
        assert _state(cursor, "wh2") == ("disabled", 6)


def test_a_name_that_a_deletion_made_free_goes_to_who_took_it(connection: Connection) -> None:
    with connection.cursor() as cursor:
        put_webhook(cursor, webhook(version=1))
        newer = webhook(id="a_later_one", version=1), webhook(version=2, state="deleted")
        restore(cursor, [OURS, *newer])
        assert _state(cursor, "wh") == ("deleted", 2)
        assert _state(cursor, "a_later_one") == ("active", 1)


def _state(cursor: Cursor, id_: str) -> tuple[str, int]:
    query = "SELECT state, version FROM webhooks WHERE id = %s"
    found = cursor.execute(query, (id_,)).fetchone()
    assert found is not None
    return found[0], found[1]


@pytest.mark.parametrize("shared", [False, True], ids=["its integration lost", "still there"])
def test_an_edit_after_a_restore_changes_nothing_else(shared: bool) -> None:
    """The row compiles to the record that it came from."""
    inherited = Header(name="authorization", value=b"sealed", private=True, owner="int_1")
    own = Header(name="x-own", value=b"1")
    integration = IntegrationRow(
        id="int_1",
        workspace="ws",
        name="crm",
        root_url="https://example.com/api",
        headers=msgspec.msgpack.encode([msgspec.structs.replace(inherited, owner=None)]),
        rate_per_s=9.0,
    )
    record = msgspec.structs.replace(
        HOOK,
        url="https://example.com/api/orders",
        lane="int_1",
        rate_per_s=9.0,
        headers=(inherited, own),
    )
    there = {"int_1": integration} if shared else {}
    row = row_of(webhook_values(record, None, there))
    again = compile_webhook(row, POLICY, integration if shared else None)
    expected = record if shared else msgspec.structs.replace(record, lane=record.id)
    assert again == expected


def test_nothing_is_released_before_the_log_is_filled_in(
    connection: Connection, dsn: str, views: Views
) -> None:
    """What waits in a backup may have been released long ago: the log tells, once it is read."""
    put_webhook(connection, webhook())
    log, upkeep = Log(views), Upkeep(dsn, StatusSettings(release_per_s=1000))
    log.park(3)
    with connection.cursor() as cursor:
        offsets.rewind(cursor, {("outcomes", 0): (0, 4), ("outcomes", 1): (2, 2)})
        assert offsets.unfilled(cursor) == 1
    upkeep.round(threading.Event())
    assert waiting(connection) == ["d0", "d1", "d2"]
    log.outcomes(_released("d0"))
    upkeep.round(threading.Event())
    assert waiting(connection) == []


def _released(delivery: str) -> Outcome:
    return outcome("cancelled", delivery=delivery, turn=None, attempt=None, reason="released")


def test_what_was_read_that_far_stays_read(connection: Connection) -> None:
    with connection.cursor() as cursor:
        offsets.rewind(cursor, {("outcomes", 2): (10, 50)})
        offsets.advance(cursor, [offsets.Move("outcomes", 2, 10, 60)])
        offsets.rewind(cursor, {("outcomes", 2): (10, 55)})
        assert offsets.read(cursor, [("outcomes", 2)])["outcomes", 2].next_offset == 60
        assert offsets.unfilled(cursor) == 0
