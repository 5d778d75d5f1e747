"""What many outcomes say about one delivery: the same, in whatever order they are read.

The outcome that decides is the smallest by `order` (once.md 20): the first closing record of the
log if there is one, else that of the highest turn. What answers said is of the last attempt, by
`heard`. The rest is a maximum, a minimum or a union. So any two rows of a delivery merge,
`deliveries.py` says the same in SQL, and reading twice changes nothing.
"""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from hookstream.model.records import UNSETTLED, Outcome
from hookstream.store.logged import Logged, day_of, text, text_or_none, words

_ABOVE = 1 << 30
"""Of a record without a turn that closes nothing: it stands above every turn."""
Order = tuple[bool, int, int, int, int]


class DeliveryRow(NamedTuple):
    """A row of `deliveries`, in the order of its columns."""

    id: str
    day: date
    logged_at_ms: int
    workspace: str
    webhook: str
    event: str
    event_type: str
    subject: str | None
    kind: str
    attempts: int
    state: str
    reason: str | None
    turn: int | None
    webhook_version: int
    status: int | None
    error: str | None
    ended_at_ms: int
    next_due_at_ms: int | None
    closing: bool
    log_at_ms: int
    log_partition: int
    log_offset: int
    closing_reason: str | None
    """What the callback said that closed it."""
    waits_until_ms: int | None
    closed_as: int
    """Every end that a closing record told, as a sum of `ENDS`: more than one contradict."""
    stated_reason: str | None
    """What the last attempt's answer said; this and what follows."""
    extracted: bytes | None
    extracted_note: str | None


ENDS = {"succeeded": 1, "failed": 2}


def closes(outcome: Outcome) -> bool:
    """Whether nothing later can change the end: a success, or what a callback said.

    A cancellation stands above every turn, but a request that was under way then may yet succeed:
    in whichever order the two are read, the receiver has it.
    """
    if outcome.turn is None:
        return outcome.result != "cancelled"
    return outcome.result == "succeeded"


def order(row: DeliveryRow) -> Order:
    """Of two outcomes of a delivery the smaller one decides."""
    turn = 0 if row.closing else -(_ABOVE if row.turn is None else row.turn)
    return (not row.closing, turn, row.log_at_ms, row.log_partition, row.log_offset)


def heard(row: DeliveryRow) -> tuple[int, str, bytes, str]:
    """Of two rows the greater one has the last attempt's answer."""
    return (
        row.attempts,
        row.stated_reason or "",
        row.extracted or b"",
        row.extracted_note or "",
    )


def row_of(logged: Logged[Outcome]) -> DeliveryRow:
    """The delivery as one outcome alone shows it."""
    outcome, partition, offset, at_ms, _ = logged
    attempt, is_end, said = outcome.attempt, closes(outcome), words(outcome.stated_reason)
    return DeliveryRow(
        text(outcome.delivery),
        day_of(outcome.logged_at_ms),
        outcome.logged_at_ms,
        text(outcome.workspace),
        text(outcome.webhook),
        text(outcome.event),
        text(outcome.event_type),
        text_or_none(outcome.subject),
        outcome.kind,
        outcome.attempt_number or 0,
        outcome.result,
        text_or_none(outcome.reason),
        outcome.turn,
        outcome.webhook_version,
        None if attempt is None else attempt.status,
        None if attempt is None else attempt.error,
        outcome.ended_at_ms,
        outcome.next_due_at_ms,
        is_end,
        at_ms,
        partition,
        offset,
        said if outcome.turn is None else None,
        outcome.waits_until_ms,
        ENDS.get(outcome.result, 0) if is_end else 0,
        None if outcome.turn is None else said,
        outcome.values,
        words(outcome.values_note),
    )


def merge(one: DeliveryRow, other: DeliveryRow) -> DeliveryRow:
    """What two rows of one delivery say together."""
    decides = one if order(one) <= order(other) else other
    last = max(one, other, key=heard)
    return decides._replace(
        attempts=max(one.attempts, other.attempts),
        logged_at_ms=min(one.logged_at_ms, other.logged_at_ms),
        closed_as=one.closed_as | other.closed_as,
        stated_reason=last.stated_reason,
        extracted=last.extracted,
        extracted_note=last.extracted_note,
    )


def fold(outcomes: Iterable[Logged[Outcome]]) -> list[DeliveryRow]:
    """One row a delivery and day, sorted by key. What settles nothing enters nothing."""
    rows: dict[tuple[str, date], DeliveryRow] = {}
    for logged in outcomes:
        if logged.record.result in UNSETTLED:
            continue
        row = row_of(logged)
        key = row[:2]
        there = rows.get(key)
        rows[key] = row if there is None else merge(there, row)
    return sorted(rows.values(), key=lambda row: row[:2])
