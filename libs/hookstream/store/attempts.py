"""Outcomes into `attempts`: one row a request, also where its outcome is on the topic twice."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import NamedTuple

import msgspec
from psycopg import sql

from hookstream.model.records import UNSETTLED, Attempt, Outcome
from hookstream.store.copy import Target
from hookstream.store.logged import Logged, day_of, text, text_or_none
from hookstream.store.pool import Cursor

TARGET = Target(
    "attempts",
    {
        "delivery": "text",
        "turn": "int4",
        "log_partition": "int4",
        "log_offset": "int8",
        "day": "date",
        "number": "int4",
        "result": "text",
        "webhook_version": "int4",
        "started_at_ms": "int8",
        "duration_ms": "int8",
        "status": "int4",
        "error": "text",
        "error_detail": "text",
        "response_headers": "bytea",
        "response_body": "bytea",
        "truncated": "bool",
        "trace_id": "text",
        "timing": "bytea",
    },
)
_INSERT = sql.SQL(
    "INSERT INTO attempts ({0}) SELECT {0} FROM stage_attempts"
    " ORDER BY delivery, turn, log_partition, log_offset ON CONFLICT DO NOTHING"
).format(TARGET.names)


class AttemptRow(NamedTuple):
    """A row of `attempts`, in the order of its columns."""

    delivery: str
    turn: int
    log_partition: int
    log_offset: int
    day: date
    number: int
    result: str
    webhook_version: int
    started_at_ms: int
    duration_ms: int
    status: int | None
    error: str | None
    error_detail: str | None
    response_headers: bytes | None
    response_body: bytes | None
    truncated: bool
    trace_id: str | None
    timing: bytes | None
    """JSON, as `records.Timing`."""


def rows_of(outcomes: Iterable[Logged[Outcome]]) -> list[AttemptRow]:
    """The requests among the outcomes, sorted by key. A deferral made none."""
    rows = (_row_of(logged) for logged in outcomes if _made_a_request(logged.record))
    return sorted(rows, key=lambda row: row[:4])


def _made_a_request(outcome: Outcome) -> bool:
    return (
        outcome.attempt is not None and outcome.turn is not None and outcome.result not in UNSETTLED
    )


def _row_of(logged: Logged[Outcome]) -> AttemptRow:
    outcome, partition, offset, _, trace_id = logged
    attempt, response = outcome.attempt, outcome.response
    assert attempt is not None  # noqa: S101 - asked before
    assert outcome.turn is not None  # noqa: S101
    return AttemptRow(
        text(outcome.delivery),
        outcome.turn,
        partition,
        offset,
        day_of(outcome.logged_at_ms),
        outcome.attempt_number or 1,
        outcome.result,
        outcome.webhook_version,
        attempt.started_at_ms,
        attempt.duration_ms,
        attempt.status,
        attempt.error,
        text_or_none(outcome.error_detail),
        msgspec.json.encode(response.headers) if response else None,
        response.body if response else None,
        response.truncated if response else False,
        outcome.trace_id or trace_id,
        msgspec.json.encode(outcome.timing) if outcome.timing else None,
    )


def made(cursor: Cursor, deliveries: Collection[str]) -> dict[str, tuple[Attempt, ...]]:
    """The requests of these deliveries in short, one a turn, as a delivery carries them."""
    found = cursor.execute(
        "SELECT DISTINCT ON (delivery, turn) delivery, started_at_ms, duration_ms, status, error"
        " FROM attempts WHERE delivery = ANY(%s)"
        " ORDER BY delivery, turn, log_partition, log_offset",
        (list(deliveries),),
    )
    by_delivery: dict[str, tuple[Attempt, ...]] = {}
    for delivery, *told in found:
        attempt = Attempt(**dict(zip(_SHORT, told, strict=True)))
        by_delivery[delivery] = (*by_delivery.get(delivery, ()), attempt)
    return by_delivery


_SHORT = ("started_at_ms", "duration_ms", "status", "error")


def write(cursor: Cursor, rows: Sequence[AttemptRow], *, new: bool) -> None:
    """Add requests. `new`: none is there yet, else raises `UniqueViolation`."""
    if not rows:
        return
    if new:
        TARGET.copy(cursor, rows)
        return
    TARGET.copy_to_stage(cursor, rows)
    cursor.execute(_INSERT)
