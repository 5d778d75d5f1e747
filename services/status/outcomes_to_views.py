"""Outcomes into deliveries, attempts and parked; what follows from them, in the same batch."""

from collections.abc import Mapping, Sequence

from hookstream.model.records import Outcome
from hookstream.store import failing, webhooks
from hookstream.store.change import Change
from hookstream.store.failing import Failure
from hookstream.store.logged import Logged
from hookstream.store.offsets import Move, Partition, Position
from hookstream.store.pool import Cursor
from hookstream.store.views import Views
from hookstream.stream.topics import OUTCOMES
from services.status.consequences import disabled_event, tally, why_disable

ACTOR = "status"


class OutcomesToViews:
    """Writes batches of outcomes."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def __call__(
        self,
        read: Sequence[Logged[Outcome]],
        moves: Sequence[Move],
        positions: Mapping[Partition, Position],
    ) -> None:
        """Store them. Below `fill_until` nothing is acted upon: it has been, before a rebuild."""
        acted_upon = [
            logged.record
            for logged in read
            if logged.offset >= positions[OUTCOMES, logged.partition].fill_until
        ]
        self._views.outcomes(read, moves, lambda cursor: act(cursor, acted_upon))


def act(cursor: Cursor, outcomes: Sequence[Outcome]) -> None:
    """Note who fails, and disable whom its policy will not see fail any more."""
    found = tally(outcomes)
    if found.succeeded:
        failing.succeeded(cursor, found.succeeded)
    if found.failed:
        failing.failed(cursor, {w: _first(some) for w, some in found.failed.items()})
        _disable(cursor, found.failed)


def _first(outcomes: Sequence[Outcome]) -> Failure:
    version = max(outcome.webhook_version for outcome in outcomes)
    times = (o.ended_at_ms for o in outcomes if o.webhook_version == version)
    return Failure(version, min(times))


def _disable(cursor: Cursor, failed: Mapping[str, Sequence[Outcome]]) -> None:
    change = Change(cursor, ACTOR)
    for id_, (webhook, since_ms) in failing.look_up(cursor, failed).items():
        reasons = ((o, why_disable(o, webhook, since_ms)) for o in failed[id_])
        outcome, reason = next(((o, r) for o, r in reasons if r), (None, None))
        if outcome is None or reason is None:
            continue
        if webhooks.disable(change, id_, outcome.webhook_version, reason):
            event = disabled_event(outcome, webhook, reason)
            change.tell("events", event.id, event)
