"""The log as people read it: events, deliveries, attempts, newest first. Indexes serve each."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct
from psycopg import sql
from psycopg.rows import class_row

from hookstream.model.records import TRIALS
from hookstream.store.logged import day_of
from hookstream.store.pool import Pool

R = TypeVar("R", bound=Struct)

LOOKED_AT = 2_000
"""Rows that one page looks at, at most, where a filter has no index: then it may be short."""


class Span(NamedTuple):
    """Which part of the log: a time span, and where the page before ended."""

    from_ms: int | None = None
    till_ms: int | None = None
    before: tuple[int, str] | None = None
    """(logged_at_ms, id) of the last row seen."""


class EventSeen(Struct, frozen=True, kw_only=True):
    """An event without its payload."""

    id: str
    logged_at_ms: int
    created_at_ms: int
    type: str
    source: str | None
    subject: str | None
    webhook: str | None
    trace_id: str | None
    repeats: int
    conflict: bool


class DeliverySeen(Struct, frozen=True, kw_only=True):
    """A delivery as it stands."""

    id: str
    logged_at_ms: int
    webhook: str
    webhook_version: int
    event: str
    event_type: str
    subject: str | None
    kind: str
    attempts: int
    state: str
    reason: str | None
    status: int | None
    error: str | None
    ended_at_ms: int
    next_due_at_ms: int | None
    turn: int | None
    """None: it was closed by a callback, by its end, or by a person."""
    stated_reason: str | None
    """What the last attempt's answer said."""
    closing_reason: str | None
    """What the callback said that closed it."""
    waits_until_ms: int | None
    closed_as: int
    """All ends that closing records told (`fold.ENDS`); the first one counts."""


class AttemptSeen(Struct, frozen=True, kw_only=True):
    """One request and what came of it."""

    delivery: str
    turn: int
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
    """JSON, as `records.Timing`; None of a request of an older version."""


def events(
    pool: Pool, workspace: str, span: Span, equal: dict[str, str], limit: int
) -> list[EventSeen]:
    """Events with these values in these columns."""
    return _newest(pool, EventSeen, "events", {"workspace": workspace, **equal}, span, limit)


def deliveries(
    pool: Pool, workspace: str, span: Span, equal: dict[str, str], limit: int
) -> list[DeliverySeen]:
    """Deliveries with these values in these columns."""
    return _newest(pool, DeliverySeen, "deliveries", {"workspace": workspace, **equal}, span, limit)


def undelivered(pool: Pool, workspace: str, span: Span, limit: int) -> list[DeliverySeen]:
    """Deliveries that have not succeeded; an index has those alone."""
    only = sql.SQL("state <> 'succeeded'")
    return _newest(pool, DeliverySeen, "deliveries", {"workspace": workspace}, span, limit, only)


def event(pool: Pool, workspace: str, event: str) -> tuple[EventSeen, bytes] | None:
    """An event and its payload; the first of its id, where it came on several days."""
    query = sql.SQL("SELECT {} FROM events WHERE workspace = %s AND id = %s ORDER BY day LIMIT 1")
    with pool.connection() as connection:
        with connection.cursor(row_factory=class_row(EventSeen)) as cursor:
            seen = cursor.execute(query.format(_columns(EventSeen)), (workspace, event)).fetchone()
        data = connection.execute(query.format(sql.Identifier("data")), (workspace, event))
        payload = data.fetchone()
    return (seen, bytes(payload[0])) if seen and payload else None


def deliveries_of(pool: Pool, workspace: str, event: str, limit: int) -> list[DeliverySeen]:
    """Deliveries of one event."""
    query = sql.SQL(
        "SELECT {} FROM deliveries WHERE workspace = %s AND event = %s"
        " ORDER BY logged_at_ms, id LIMIT %s"
    ).format(_columns(DeliverySeen))
    return _all(pool, DeliverySeen, query, (workspace, event, limit))


def delivery(pool: Pool, workspace: str, delivery: str) -> DeliverySeen | None:
    """One delivery."""
    query = sql.SQL("SELECT {} FROM deliveries WHERE id = %s AND workspace = %s LIMIT 1").format(
        _columns(DeliverySeen)
    )
    found = _all(pool, DeliverySeen, query, (delivery, workspace))
    return found[0] if found else None


def extracted(pool: Pool, workspace: str, delivery: str) -> tuple[bytes | None, str | None]:
    """What was taken out of the last answer, a JSON object, and why values are missing."""
    query = (
        "SELECT extracted, extracted_note FROM deliveries WHERE id = %s AND workspace = %s LIMIT 1"
    )
    with pool.connection() as connection:
        found = connection.execute(query, (delivery, workspace)).fetchone()
    return (found[0], found[1]) if found else (None, None)


def attempts(pool: Pool, deliveries: Collection[str]) -> list[AttemptSeen]:
    """The attempts of deliveries that the caller may see, oldest first."""
    query = sql.SQL(
        "SELECT {} FROM attempts WHERE delivery = ANY(%s)"
        " ORDER BY delivery, turn, started_at_ms LIMIT 10000"
    ).format(_columns(AttemptSeen))
    return _all(pool, AttemptSeen, query, (list(deliveries),))


def latest(pool: Pool, webhooks: Collection[str]) -> dict[str, DeliverySeen]:
    """The newest delivery of each webhook that has any (W11); trials are not among them."""
    query = sql.SQL(
        "SELECT {} FROM unnest(%s::text[]) AS asked (id), LATERAL (SELECT * FROM deliveries"
        " WHERE webhook = asked.id AND kind <> ALL(%s)"
        " ORDER BY logged_at_ms DESC LIMIT 1) AS newest"
    ).format(
        sql.SQL(", ").join(
            sql.SQL("newest.{}").format(sql.Identifier(f)) for f in DeliverySeen.__struct_fields__
        )
    )
    found = _all(pool, DeliverySeen, query, (list(webhooks), sorted(TRIALS)))
    return {row.webhook: row for row in found}


def _newest(
    pool: Pool,
    cls: type[R],
    table: str,
    equal: dict[str, str],
    span: Span,
    limit: int,
    *only: sql.SQL,
) -> list[R]:
    where: list[sql.Composable] = [
        *only,
        *(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in equal),
    ]
    values: list[Any] = list(equal.values())
    for condition, given in _conditions(span):
        where.append(sql.SQL(condition))
        values.extend(given)
    query = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY logged_at_ms DESC, id DESC LIMIT %s")
    made = query.format(_columns(cls), sql.Identifier(table), sql.SQL(" AND ").join(where))
    return _all(pool, cls, made, [*values, limit])


def _conditions(span: Span) -> list[tuple[Any, tuple[Any, ...]]]:
    """`day` beside each bound, so that other days' partitions are not even opened."""
    found: list[tuple[Any, tuple[Any, ...]]] = []
    if span.from_ms is not None:
        found.append(("logged_at_ms >= %s AND day >= %s", (span.from_ms, day_of(span.from_ms))))
    if span.till_ms is not None:
        found.append(("logged_at_ms < %s AND day <= %s", (span.till_ms, day_of(span.till_ms))))
    if span.before is not None:
        at_ms, last = span.before
        found.append(("logged_at_ms <= %s AND day <= %s", (at_ms, day_of(at_ms))))
        found.append(("(logged_at_ms, id) < (%s, %s)", (at_ms, last)))
    return found


def _columns(cls: type[Struct]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, cls.__struct_fields__))


def _all(pool: Pool, cls: type[R], query: sql.Composed, values: Sequence[Any]) -> list[R]:
    with pool.connection() as connection, connection.cursor(row_factory=class_row(cls)) as cursor:
        return cursor.execute(query, values).fetchall()
