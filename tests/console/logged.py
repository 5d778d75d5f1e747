"""Rows of the log, written by the functions that status writes them with."""

from typing import Any

from hookstream.model.ids import delivery_id
from hookstream.model.records import Attempt, Dead, Event, Outcome, Response
from hookstream.store import attempts, dead, deliveries, events, parked, partitions
from hookstream.store.fold import fold
from hookstream.store.logged import Logged, day_of
from hookstream.store.pool import Pool
from services.console.fresh import new_id, now_ms


def log_something(pool: Pool, workspace: str, webhook: str, **differing: Any) -> tuple[str, str]:
    """An event of the workspace and its delivery, with one attempt; their ids: delivery, event."""
    event = log_event(pool, workspace)
    return log_delivery(pool, workspace, webhook, event, **differing), event


def log_event(pool: Pool, workspace: str, **differing: Any) -> str:
    """An event of the workspace; its id."""
    given: dict[str, Any] = {
        "id": new_id("evt"),
        "type": "contact.created",
        "created_at_ms": now_ms(),
        "data": b'{"price": 1.10}',
        "subject": "c-1",
    }
    event = Event(workspace=workspace, **given | differing)
    at_ms = now_ms()
    with pool.connection() as connection:
        partitions.ensure(connection, {day_of(at_ms)})
        with connection.cursor() as cursor:
            events.write(cursor, events.fold([Logged(event, 0, 1, at_ms)]))
    return event.id


def log_delivery(pool: Pool, workspace: str, webhook: str, event: str, **differing: Any) -> str:
    """The outcome of a delivery's first turn; its id."""
    at_ms = differing.pop("logged_at_ms", now_ms())
    given: dict[str, Any] = {
        "result": "succeeded",
        "event_type": "contact.created",
        "subject": "c-1",
        "attempt_number": 1,
        "attempt": Attempt(started_at_ms=at_ms, duration_ms=12, status=200),
        "response": Response(status=200, headers=(("A", "b"),), body=b"taken <b>"),
        "delivery": delivery_id(webhook, event),
    }
    outcome = Outcome(
        workspace=workspace,
        turn=1,
        webhook=webhook,
        webhook_version=1,
        lane=webhook,
        event=event,
        logged_at_ms=at_ms,
        ended_at_ms=at_ms + 12,
        **given | differing,
    )
    logged = [Logged(outcome, 0, at_ms, at_ms)]
    with pool.connection() as connection:
        partitions.ensure(connection, {day_of(at_ms)})
        with connection.cursor() as cursor:
            rows = fold(logged)
            attempts.write(cursor, attempts.rows_of(logged), new=True)
            deliveries.write(cursor, rows, new=True)
            parked.follow(cursor, rows, new=True)
    return outcome.delivery


def log_dead(pool: Pool, workspace: str, offset: int) -> None:
    """A record of the workspace that was refused."""
    record = Dead(
        topic="events",
        partition=0,
        offset=offset,
        reason="unknown_type",
        detail="type 'x' is not in the catalogue",
        at_ms=now_ms(),
        workspace=workspace,
        event="evt_refused",
    )
    with pool.connection() as connection, connection.cursor() as cursor:
        dead.write(cursor, [Logged(record, 0, offset, record.at_ms)])
