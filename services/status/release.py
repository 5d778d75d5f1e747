"""What becomes of a parked delivery: pure records (once.md 22)."""

from collections.abc import Sequence

from msgspec.structs import replace

from hookstream.model.deliveries import ended_apart, first_turn
from hookstream.model.ids import released_id
from hookstream.model.records import Attempt, Delivery, Event, Outcome, Result, Webhook
from hookstream.store.parked import Parked


def released(
    parked: Parked, event: Event, webhook: Webhook, made: tuple[Attempt, ...], now_ms: int
) -> Delivery:
    """The new delivery of the event; releasing twice is the same delivery.

    It goes on after the requests that were `made`, as if the time it waited had not passed: a
    schedule's window stood still meanwhile.
    """
    id_, waited_ms = released_id(parked.delivery), max(0, now_ms - parked.parked_at_ms)
    before = tuple(replace(each, started_at_ms=each.started_at_ms + waited_ms) for each in made)
    return replace(first_turn("release", id_, webhook, event, now_ms, "released"), attempts=before)


def chains(parked: Sequence[str], released_before: Sequence[str]) -> dict[str, list[str]]:
    """For each parked delivery itself and those it was released for, the first one first."""
    parents = {released_id(delivery): delivery for delivery in released_before}
    found = {}
    for last in parked:
        chain = [last]
        while chain[0] in parents:
            chain.insert(0, parents[chain[0]])
        found[last] = chain
    return found


def ended(parked: Parked, webhook: Webhook, result: Result, reason: str, now_ms: int) -> Outcome:
    """The end of the delivery that waited, for the log and for a rebuild. It settles no turn."""
    return ended_apart(
        webhook,
        delivery=parked.delivery,
        kind=parked.kind,
        event=parked.event,
        event_type=parked.event_type,
        subject=parked.subject,
        result=result,
        reason=reason,
        logged_at_ms=parked.logged_at_ms,
        now_ms=now_ms,
    )
