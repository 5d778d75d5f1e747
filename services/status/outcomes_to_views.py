"""Outcomes into deliveries, attempts and parked; what follows from them, in the same batch."""

from collections.abc import Mapping, Sequence

from hookstream.model.records import Outcome
from hookstream.store.change import Change
from hookstream.store.logged import Logged
from hookstream.store.offsets import Move, Partition, Position
from hookstream.store.pool import Cursor
from hookstream.store.views import Views
from hookstream.stream.topics import OUTCOMES
from services.status.failures import follow
from services.status.settings import FAILING_AFTER_S
from services.status.verifications import settle

ACTOR = "status"


class OutcomesToViews:
    """Writes batches of outcomes."""

    def __init__(self, views: Views, failing_after_s: float = FAILING_AFTER_S) -> None:
        self._views = views
        self._failing_after_ms = int(failing_after_s * 1000)

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

        def then(cursor: Cursor) -> None:
            act(Change(cursor, ACTOR), acted_upon, self._failing_after_ms)

        self._views.outcomes(read, moves, then)


def act(change: Change, outcomes: Sequence[Outcome], failing_after_ms: int) -> None:
    """Note who is verified and who fails, tell of it, and disable whom its policy will not see
    fail again."""
    settle(change, outcomes)
    follow(change, outcomes, failing_after_ms)
