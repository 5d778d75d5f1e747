"""What the log shows, and how one asks for a part of it."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import Query
from pydantic import BaseModel, Field

from hookstream.model.records import Webhook
from hookstream.store.fold import ENDS
from hookstream.store.log import AttemptSeen, DeliverySeen, EventSeen, Span
from services.console.paging import Cursor, position

From = Annotated[datetime | None, Query(alias="from", description="ISO 8601; UTC if not said")]
Till = Annotated[datetime | None, Query(description="ISO 8601; UTC if not said")]
Word = Annotated[str | None, Query(min_length=1, max_length=256)]


class EventOut(BaseModel):
    """An event as the log has it."""

    id: str
    type: str
    logged_at: datetime
    created_at: datetime
    source: str | None
    subject: str | None
    webhook: str | None
    repeats: int
    conflict: bool
    trace_id: str | None


class DeliveryOut(BaseModel):
    """A delivery. `state` is ours, `state_name` what the webhook's policy calls it."""

    id: str
    event: str
    event_type: str
    subject: str | None
    webhook: str
    webhook_name: str | None
    kind: str
    state: str
    state_name: str
    reason: str | None
    attempts: int
    status: int | None
    error: str | None
    logged_at: datetime
    ended_at: datetime
    next_due_at: datetime | None
    stated_reason: str | None = Field(
        description="What the receiver said, in its last answer or by the callback that closed it"
    )
    waits_until: datetime | None = Field(
        description="Of a waiting one: a callback may close it until then"
    )
    ignored: list[str] = Field(
        description="Ends that were told after the first one, contradict it, and count for nothing"
    )


class DeliveryDetail(DeliveryOut):
    """One delivery, with what was taken out of its last answer."""

    values: dict[str, dict[str, Any]] | None = Field(
        description="By the webhook's system name, then by the names in its `extract`"
    )
    values_note: str | None = Field(description="Why values are null")


class AttemptOut(BaseModel):
    """One request. The answer's body as text, cut to what the log keeps."""

    number: int
    turn: int
    result: str
    started_at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    error_detail: str | None
    response_headers: list[tuple[str, str]]
    response_body: str | None
    truncated: bool
    webhook_version: int
    trace_id: str | None


class EventDetail(EventOut):
    """One event, its payload byte for byte, and where it went."""

    workspace: str
    data: Any
    deliveries: list[DeliveryOut]
    not_matched: list[dict[str, str]]
    note: str


def event_out(row: EventSeen) -> EventOut:
    """An event, as the API shows it."""
    times = {"logged_at": _time(row.logged_at_ms), "created_at": _time(row.created_at_ms)}
    return EventOut(**_same(row, EventOut) | times)


def delivery_out(row: DeliverySeen, webhook: Webhook | None) -> DeliveryOut:
    """A delivery, as the API shows it; `webhook` as it is today, None if it is unknown."""
    name = webhook.policy.state_name(row.state, row.reason) if webhook else row.state
    due, until = row.next_due_at_ms, row.waits_until_ms
    same = _same(row, DeliveryOut) | {
        "stated_reason": row.closing_reason if row.turn is None else row.stated_reason,
        "ignored": [end for end, bit in ENDS.items() if row.closed_as & bit and end != row.state],
    }
    return DeliveryOut(
        **same,
        webhook_name=webhook.name if webhook else None,
        state_name=name,
        logged_at=_time(row.logged_at_ms),
        ended_at=_time(row.ended_at_ms),
        next_due_at=None if due is None else _time(due),
        waits_until=_time(until) if until is not None and row.state == "waiting" else None,
    )


def delivery_detail(
    row: DeliverySeen, webhook: Webhook | None, values: bytes | None, note: str | None
) -> DeliveryDetail:
    """A delivery with its values, as the API shows it."""
    found = None if values is None else msgspec.json.decode(values)
    told = delivery_out(row, webhook).model_dump()
    return DeliveryDetail(**told, values=found, values_note=note)


def attempt_out(row: AttemptSeen) -> AttemptOut:
    """An attempt, as the API shows it."""
    same = _same(row, AttemptOut)
    same["response_headers"] = msgspec.json.decode(row.response_headers or b"[]")
    body = row.response_body
    same["response_body"] = None if body is None else body.decode(errors="replace")
    return AttemptOut(**same, started_at=_time(row.started_at_ms))


def span(from_: datetime | None, till: datetime | None, cursor: Cursor) -> Span:
    """The part of the log that is asked for."""
    place = position(cursor, int, str)
    return Span(_ms(from_), _ms(till), (place[0], place[1]) if place else None)


def _same(row: msgspec.Struct, cls: type[BaseModel]) -> dict[str, Any]:
    return {f: getattr(row, f) for f in row.__struct_fields__ if f in cls.model_fields}


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _ms(time: datetime | None) -> int | None:
    if time is None:
        return None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
