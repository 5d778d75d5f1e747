"""Events into the log, as they came; types that register themselves, in the same batch."""

from collections.abc import Mapping, Sequence

from hookstream.model.records import Event
from hookstream.store.change import Change
from hookstream.store.logged import Logged
from hookstream.store.offsets import Move, Partition, Position
from hookstream.store.views import Views
from hookstream.stream.topics import EVENTS
from services.status.registration import register

ACTOR = "status"


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
        """Store them: the first of an id stays, the others are counted. Below `fill_until` no
        type is registered: it has been, before a rebuild."""
        new = [
            logged.record
            for logged in read
            if logged.offset >= positions[EVENTS, logged.partition].fill_until
        ]
        self._views.events(read, moves, lambda cursor: register(Change(cursor, ACTOR), new))
