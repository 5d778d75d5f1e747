"""The operational events that status raises: what they say. Pure.

Each id stands for one occasion, so that an event raised again is the same event. They name the
webhook they are about as their subject, and never its URL, which may hold a secret.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from hookstream.model.ids import operational_id
from hookstream.model.operational import (
    DELIVERY_FAILED,
    DISABLED,
    FAILING,
    RECOVERED,
    SOURCE,
    OperationalType,
    is_operational,
)
from hookstream.model.records import TRIALS, Event, Outcome, Webhook
from hookstream.model.request import iso


def is_worth_telling(outcome: Outcome) -> bool:
    """Whether operational events may follow: not from a trial, nor from one of their own."""
    return outcome.kind not in TRIALS and not is_operational(outcome.event, outcome.event_type)


def ends_to_tell(outcomes: Iterable[Outcome]) -> dict[str, Outcome]:
    """Deliveries that these outcomes end as failed, by id; callbacks and expiry end them too."""
    return {o.delivery: o for o in outcomes if o.result == "failed" and is_worth_telling(o)}


def disabled(outcome: Outcome, webhook: Webhook, reason: str) -> Event:
    """`webhook.disabled`, once for each version of a webhook."""
    more = {"reason": reason, "delivery": outcome.delivery}
    return _event(DISABLED, webhook, outcome.webhook_version, outcome.ended_at_ms, more)


def failing(outcome: Outcome, webhook: Webhook, since_ms: int) -> Event:
    """`webhook.failing`, once for each row of failures."""
    more = {"failing_since": _time(since_ms), "delivery": outcome.delivery, **_answer(outcome)}
    return _event(FAILING, webhook, since_ms, outcome.ended_at_ms, more)


def recovered(webhook: Webhook, since_ms: int, at_ms: int) -> Event:
    """`webhook.recovered`, once after each `webhook.failing`."""
    return _event(RECOVERED, webhook, since_ms, at_ms, {"failing_since": _time(since_ms)})


def delivery_failed(outcome: Outcome, webhook: Webhook) -> Event:
    """`delivery.failed`, once for each delivery."""
    more = {
        "delivery": outcome.delivery,
        "event": outcome.event,
        "event_type": outcome.event_type,
        "subject": outcome.subject,
        "reason": outcome.reason,
        "requests": outcome.attempt_number,
        **_answer(outcome),
    }
    return _event(DELIVERY_FAILED, webhook, outcome.delivery, outcome.ended_at_ms, more)


def _answer(outcome: Outcome) -> dict[str, Any]:
    attempt = outcome.attempt
    return {
        "status": attempt.status if attempt else None,
        "error": attempt.error if attempt else None,
    }


def _event(
    kind: OperationalType, webhook: Webhook, what: str | int, at_ms: int, more: dict[str, Any]
) -> Event:
    data = {"webhook": webhook.id, "name": webhook.name, **more}
    return Event(
        workspace=webhook.workspace,
        id=operational_id(webhook.id, what, kind),
        type=kind,
        created_at_ms=at_ms,
        data=msgspec.json.encode(data),
        source=SOURCE,
        subject=webhook.id,
    )


def _time(at_ms: int) -> str:
    return iso(at_ms).decode()
