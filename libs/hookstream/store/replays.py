"""Replays: what a webhook was to get in a time span, sent once more, page by page."""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct
from psycopg.rows import class_row

from hookstream.model.records import TRIALS, Webhook
from hookstream.store.logged import day_of
from hookstream.store.pool import Cursor, Pool

State = Literal["running", "done", "cancelled"]


class Replay(Struct, frozen=True, kw_only=True):
    """One request for it. All up to (`at_ms`, `at_delivery`) has been looked at."""

    id: str
    webhook: str
    workspace: str
    from_ms: int
    till_ms: int
    only_failed: bool
    state: State = "running"
    sent: int = 0
    at_ms: int
    at_delivery: str = ""
    created_at: datetime | None = None


class Ended(Struct, frozen=True):
    """A delivery to send once more."""

    id: str
    logged_at_ms: int
    event: str


_COLUMNS = ", ".join(Replay.__struct_fields__)


def put(cursor: Cursor, replay: Replay) -> Replay:
    """A new one; the one that is there, where its id has been used."""
    names = [name for name in Replay.__struct_fields__ if name != "created_at"]
    cursor.execute(
        f"INSERT INTO replays ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"  # noqa: S608
        " ON CONFLICT (id) DO NOTHING".encode(),
        [getattr(replay, name) for name in names],
    )
    return _one(cursor, "id = %s", replay.id) or replay


def of_webhook(pool: Pool, workspace: str, webhook: str, limit: int) -> list[Replay]:
    """The newest replays of a webhook."""
    query = f"SELECT {_COLUMNS} FROM replays WHERE workspace = %s AND webhook = %s"  # noqa: S608
    with pool.connection() as c, c.cursor(row_factory=class_row(Replay)) as cursor:
        ordered = f"{query} ORDER BY id DESC LIMIT %s".encode()
        return cursor.execute(ordered, (workspace, webhook, limit)).fetchall()


def cancel(cursor: Cursor, workspace: str, webhook: str, replay: str) -> Replay | None:
    """End one, if it still runs; as it is then. None where there is none."""
    cursor.execute(
        "UPDATE replays SET state = 'cancelled' WHERE workspace = %s AND webhook = %s AND id = %s"
        " AND state = 'running'",
        (workspace, webhook, replay),
    )
    return _one(cursor, "workspace = %s AND webhook = %s AND id = %s", workspace, webhook, replay)


def running(cursor: Cursor) -> list[tuple[Replay, Webhook]]:
    """Those that run, the oldest of each webhook first, with the webhook as it is now."""
    typed = cursor.connection.cursor(row_factory=class_row(Replay))
    found = typed.execute(
        f"SELECT {_COLUMNS} FROM replays WHERE state = 'running' ORDER BY webhook, id".encode()  # noqa: S608
    ).fetchall()
    records = cursor.execute(
        "SELECT id, record FROM webhooks WHERE id = ANY(%s)", ([r.webhook for r in found],)
    )
    webhooks = {id_: msgspec.msgpack.decode(raw, type=Webhook) for id_, raw in records}
    return [(replay, webhooks[replay.webhook]) for replay in found]


def locked(cursor: Cursor, replay: str) -> Replay | None:
    """One that runs, for this transaction alone; None where it does not, or another has it."""
    return _one(cursor, "id = %s AND state = 'running' FOR UPDATE SKIP LOCKED", replay)


def page(cursor: Cursor, replay: Replay, limit: int) -> list[Ended]:
    """The next deliveries of its span that have ended, oldest first, one an event."""
    states = ["failed"] if replay.only_failed else ["failed", "cancelled", "succeeded"]
    typed = cursor.connection.cursor(row_factory=class_row(Ended))
    return typed.execute(
        "SELECT id, logged_at_ms, event FROM deliveries AS d WHERE webhook = %s"
        " AND state = ANY(%s) AND reason IS DISTINCT FROM 'released' AND kind <> ALL(%s)"
        " AND logged_at_ms >= %s AND logged_at_ms < %s AND day BETWEEN %s AND %s"
        " AND (logged_at_ms, id) > (%s, %s) AND (kind = 'event' OR NOT EXISTS"
        " (SELECT FROM deliveries AS b WHERE b.workspace = d.workspace AND b.event = d.event"
        " AND b.webhook = d.webhook AND b.state = ANY(%s) AND b.logged_at_ms >= %s"
        " AND (b.logged_at_ms, b.id) < (d.logged_at_ms, d.id)))"
        " ORDER BY logged_at_ms, id LIMIT %s",
        (
            replay.webhook,
            states,
            sorted(TRIALS),
            replay.at_ms,
            replay.till_ms,
            day_of(replay.at_ms),
            day_of(replay.till_ms),
            replay.at_ms,
            replay.at_delivery,
            states,
            replay.from_ms,
            limit,
        ),
    ).fetchall()


def moved(cursor: Cursor, replay: Replay) -> None:
    """Note where it stands now."""
    cursor.execute(
        "UPDATE replays SET state = %s, sent = %s, at_ms = %s, at_delivery = %s WHERE id = %s",
        (replay.state, replay.sent, replay.at_ms, replay.at_delivery, replay.id),
    )


def _one(cursor: Cursor, which: str, *values: str) -> Replay | None:
    typed = cursor.connection.cursor(row_factory=class_row(Replay))
    query = f"SELECT {_COLUMNS} FROM replays WHERE {which}"  # noqa: S608 - names are ours
    return typed.execute(query.encode(), values).fetchone()
