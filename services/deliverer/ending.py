"""How a turn ends, as values: the outcome for the log, and the next turn if there is one.

Pure. An outcome's headers carry its `Settlement`; together with the record it settles that is
enough to write the very same successor again after a crash (once.md 7).
"""

from msgspec import Struct
from msgspec.structs import replace

from hookstream.model.extract import NOTHING, Said, said
from hookstream.model.records import (
    OWN_FAULT,
    SUCCEEDED_BY,
    Attempt,
    Delivery,
    Outcome,
    Response,
    Result,
    Timing,
    Webhook,
)
from hookstream.stream.settled import Settlement
from services.deliverer.admit import Cancel, Defer, Park, Rekey, put_aside
from services.deliverer.answer import Answer
from services.deliverer.judge import Failed, RetryAt, Succeeded, Verdict, Waiting


class Ending(Struct, frozen=True, kw_only=True, gc=False):
    """How one turn ended and what comes next."""

    result: Result
    reason: str | None = None
    next_due_at_ms: int | None = None
    attempt: Attempt | None = None
    response: Response | None = None
    error_detail: str | None = None
    heard: Said = NOTHING
    waits_ms: int | None = None
    """Of a waiting one: how long a callback may close it."""
    timing: Timing | None = None


def timing(delivery: Delivery, queued_at_ms: int, taken_at_ms: int, answer: Answer) -> Timing:
    """Which points a turn with this answer passed."""
    return Timing(
        first_due_at_ms=delivery.deferred_since_ms or delivery.due_at_ms,
        due_at_ms=delivery.due_at_ms,
        put_off_for=delivery.reason,
        queued_at_ms=queued_at_ms,
        taken_at_ms=taken_at_ms,
        dns_ms=answer.dns_ms,
        connect_ms=answer.connect_ms,
        tls_ms=answer.tls_ms,
        body_ms=answer.body_ms,
    )


def after_answer(webhook: Webhook, answer: Answer, verdict: Verdict, timing: Timing) -> Ending:
    """The ending of a turn with a request. What the answer says is taken out before it is cut."""
    heard = NOTHING
    if answer.status is not None:
        heard = said(answer.body, answer.truncated, webhook.extract, webhook.name)
    result, reason, next_due = _verdict(verdict)
    return Ending(
        result=result,
        reason=reason,
        next_due_at_ms=next_due,
        attempt=answer.attempt,
        response=answer.response,
        error_detail=answer.detail or None,
        heard=heard,
        waits_ms=webhook.policy.waiting_ms if result == "waiting" else None,
        timing=timing,
    )


def _verdict(verdict: Verdict) -> tuple[Result, str | None, int | None]:
    match verdict:
        case Succeeded():
            return "succeeded", None, None
        case Waiting():
            return "waiting", None, None
        case RetryAt(due_at_ms=due, reason=reason):
            return "retrying", reason, due
        case Failed(reason=reason):
            return "failed", reason, None


def without_request(plan: Defer | Park | Cancel | Rekey, now_ms: int) -> Ending:
    """The ending of a turn that its lane did not let go."""
    match plan:
        case Defer(until_ms=until, why=why):
            return Ending(result="deferred", reason=why, next_due_at_ms=until)
        case Park():
            return Ending(result="parked", reason="webhook_not_active")
        case Rekey(lane=lane):
            return Ending(result="rekeyed", reason=lane, next_due_at_ms=now_ms)
        case Cancel(why=why):
            return Ending(result="cancelled", reason=why)


def after_fault(delivery: Delivery, answer: Answer | None, now_ms: int) -> Ending:
    """The ending of a turn that met a fault of ours. Where the receiver has answered it has failed:
    who may have taken it is not sent it again for that."""
    if answer is None or answer.status is None:
        return without_request(put_aside(delivery, now_ms), now_ms)
    return Ending(
        result="failed", reason=OWN_FAULT, attempt=answer.attempt, response=answer.response
    )


def settlement(delivery: Delivery, ending: Ending, hash_: str, source: int) -> Settlement:
    """What the outcome's headers say; `source` is the offset of the record it settles."""
    since = delivery.deferred_since_ms or delivery.due_at_ms
    return Settlement(
        turn=delivery.turn,
        result=ending.result,
        hash=hash_,
        source=source,
        next_due_at_ms=ending.next_due_at_ms,
        deferred_since_ms=since if ending.result == "deferred" else None,
        reason=ending.reason if ending.result in SUCCEEDED_BY else None,
        attempt=ending.attempt if ending.result == "retrying" else None,
    )


def successor(delivery: Delivery, settled: Settlement) -> Delivery | None:
    """The next turn; None after a final one. The same values give the same bytes, always."""
    if settled.result not in SUCCEEDED_BY or settled.next_due_at_ms is None:
        return None
    attempts = delivery.attempts
    if settled.attempt is not None:
        attempts = (*attempts, settled.attempt)
    return replace(
        delivery,
        turn=delivery.turn + 1,
        lane=settled.reason if settled.result == "rekeyed" else delivery.lane,
        due_at_ms=settled.next_due_at_ms,
        attempts=attempts,
        deferred_since_ms=settled.deferred_since_ms,
        reason=None if settled.result == "rekeyed" else settled.reason,
    )


def outcome(
    delivery: Delivery, version: int, ending: Ending, now_ms: int, trace_id: str | None
) -> Outcome:
    """The record of how this turn ended; `version` is that of the webhook as it was sent by."""
    event = delivery.event
    return Outcome(
        workspace=event.workspace,
        delivery=delivery.id,
        kind=delivery.kind,
        turn=delivery.turn,
        webhook=delivery.webhook,
        webhook_version=version,
        lane=delivery.lane,
        event=event.id,
        event_type=event.type,
        subject=event.subject,
        result=ending.result,
        reason=ending.reason,
        logged_at_ms=delivery.logged_at_ms,
        ended_at_ms=now_ms,
        next_due_at_ms=ending.next_due_at_ms,
        attempt_number=len(delivery.attempts) + 1 if ending.attempt else None,
        attempt=ending.attempt,
        error_detail=ending.error_detail,
        response=ending.response,
        trace_id=trace_id,
        stated_reason=ending.heard.reason,
        values=ending.heard.values,
        values_note=ending.heard.note,
        waits_until_ms=None if ending.waits_ms is None else now_ms + ending.waits_ms,
        timing=ending.timing,
    )
