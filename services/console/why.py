"""Why a delivery took as long as it did: the way of each attempt, point by point. Pure."""

from typing import NamedTuple

import msgspec

from hookstream.model.records import Timing
from hookstream.store.log import AttemptSeen, DeliverySeen, EventSeen

PUT_OFF = {
    "cooling_down": "the webhook's circuit was open: it had failed, and gets a pause",
    "not_answering": "earlier requests to this webhook were open and not answered",
    "busy": "the webhook had as many requests open as it takes",
    "rate": "the lane's rate had no room",
    "fault": "a fault of Hookstream's own, which is in the deliverer's log",
}
"""Words for the reasons of a deferral."""
RESTS = {
    "retrying": "waits for its next attempt by the policy's schedule",
    "deferred": "is put off",
    "rekeyed": "moves to the lane that the webhook has now",
    "parked": "waits until the webhook is active again",
    "waiting": "waits for the receiver's callback",
}
"""What a delivery waits for that has not ended, by its state."""


FAILED_AT = {
    "name_not_found": "dns",
    "connection_refused": "connect",
    "unreachable": "connect",
    "timeout_connect": "connect",
    "tls": "tls",
    "tls_expired": "tls",
    "tls_name_mismatch": "tls",
    "tls_untrusted": "tls",
}
"""Where in its way a request ended that got no answer."""


class Step(NamedTuple):
    """A part of the way: what it was, from when, for how long (milliseconds), and why."""

    attempt: int
    name: str
    from_ms: int
    took_ms: int
    note: str = ""


class Why(NamedTuple):
    """The whole way, and in one sentence what took longest."""

    verdict: str
    total_ms: int
    steps: list[Step]


def why(
    event: EventSeen | None, delivery: DeliverySeen, attempts: list[AttemptSeen], now_ms: int
) -> Why:
    """The way of `delivery` so far. `event` may be gone, or later in the log than its outcome."""
    steps: list[Step] = []
    since_ms = delivery.logged_at_ms
    if event is not None and delivery.kind == "event":
        took_ms = max(event.logged_at_ms - event.created_at_ms, 0)
        note = "from its created_at, by the producer's clock, until Kafka had it"
        steps.append(Step(1, "ingest", event.created_at_ms, took_ms, note))
    for attempt in attempts:
        steps += _way(attempt, since_ms)
        since_ms = attempt.started_at_ms + attempt.duration_ms
    rest = _rest(delivery, attempts, since_ms, now_ms)
    steps += rest
    return Why(_verdict(delivery, steps, rest), sum(step.took_ms for step in steps), steps)


_BEFORE = "written by a version that did not note the points between"
_SCHEDULE = ("schedule", "by the policy, counted from the end of the attempt before")
_MOVED_LANE = ("lane", "until it was moved to the lane that the webhook has now")


def _way(attempt: AttemptSeen, since_ms: int) -> list[Step]:
    """From the end of what was before to the end of this attempt."""
    if attempt.timing is None:
        took_ms = max(attempt.started_at_ms - since_ms, 0)
        before = Step(attempt.number, "before", since_ms, took_ms, _BEFORE)
        return [before, *_exchange(attempt, None)]
    timing = msgspec.json.decode(attempt.timing, type=Timing)
    waits = _waits(attempt.number, timing, since_ms)
    queues = _queues(attempt, timing, "release" if waits else "routing")
    return [*waits, *queues, *_exchange(attempt, timing)]


def _waits(number: int, timing: Timing, since_ms: int) -> list[Step]:
    """What was to be waited for before it was due."""
    first_ms, due_ms, waits = timing.first_due_at_ms, timing.due_at_ms, []
    if first_ms > since_ms:
        name, note = _SCHEDULE if number > 1 else _MOVED_LANE
        waits.append(Step(number, name, since_ms, first_ms - since_ms, note))
    if due_ms > first_ms:
        note = "put off: " + PUT_OFF.get(timing.put_off_for or "", timing.put_off_for or "")
        waits.append(Step(number, "lane", first_ms, due_ms - first_ms, note))
    return waits


def _queues(attempt: AttemptSeen, timing: Timing, name: str) -> list[Step]:
    """From its due time to its request."""
    # Another machine's clock may say that a thing was taken before it came.
    queued_ms = max(timing.queued_at_ms, timing.due_at_ms)
    taken_ms = max(timing.taken_at_ms, queued_ms)
    started_ms = max(attempt.started_at_ms, taken_ms)
    parts = (
        (name, timing.due_at_ms, queued_ms, _MOVED[name]),
        ("queue", queued_ms, taken_ms, "until a deliverer read it"),
        ("lane in memory", taken_ms, started_ms, "for a free place in its lane"),
    )
    return [Step(attempt.number, n, at, till - at, note) for n, at, till, note in parts]


_MOVED = {
    "routing": "read from events, matched, written to deliveries",
    "release": "from its due time until it stood on deliveries again",
}


def _exchange(attempt: AttemptSeen, timing: Timing | None) -> list[Step]:
    """The request itself."""
    at_ms, left_ms, steps = attempt.started_at_ms, attempt.duration_ms, []
    for name in ("dns", "connect", "tls"):
        took_ms = getattr(timing, f"{name}_ms") if timing else None
        if took_ms is not None:
            took_ms = min(took_ms, left_ms)
            steps.append(Step(attempt.number, name, at_ms, took_ms))
            at_ms, left_ms = at_ms + took_ms, left_ms - took_ms
    note = f"status {attempt.status}" if attempt.status is not None else attempt.error or ""
    steps.append(Step(attempt.number, FAILED_AT.get(note, "first byte"), at_ms, left_ms, note))
    if timing is not None and attempt.status is not None:
        steps.append(Step(attempt.number, "body", at_ms + left_ms, timing.body_ms))
    return steps


def _rest(
    delivery: DeliverySeen, attempts: list[AttemptSeen], since_ms: int, now_ms: int
) -> list[Step]:
    """What a delivery that has not ended waits for now."""
    words = RESTS.get(delivery.state)
    if words is None:
        return []
    if delivery.reason and delivery.state == "deferred":
        words += ": " + PUT_OFF.get(delivery.reason, delivery.reason)
    return [Step(len(attempts) + 1, delivery.state, since_ms, max(now_ms - since_ms, 0), words)]


def _verdict(delivery: DeliverySeen, steps: list[Step], rest: list[Step]) -> str:
    if rest:
        return f"It {rest[0].note}."
    if not steps:
        return f"It {delivery.state}, and no request was made."
    longest = max(steps, key=lambda step: step.took_ms)
    whole = sum(step.took_ms for step in steps)
    if not whole:
        return "It took less than a millisecond."
    share = round(100 * longest.took_ms / whole)
    note = f" ({longest.note})" if longest.note else ""
    return f"{share} % of {whole} ms was {longest.name} of attempt {longest.attempt}{note}."
