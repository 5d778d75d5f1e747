"""Events into the log, as they came."""

from collections.abc import Mapping, Sequence

from hookstream.model.records import Event
from hookstream.store.logged import Logged
from hookstream.store.offsets import Move, Partition, Position
from hookstream.store.views import Views


class EventsToViews:
    """Writes batches of events."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def __call__(
        self,
        read: Sequence[Logged[Event]],
        moves: Sequence[Move],
        positions: Mapping[Partition, Position],
    ) -> None:
        """Store them: the first of an id stays, the others are counted."""
        del positions
        self._views.events(read, moves)
