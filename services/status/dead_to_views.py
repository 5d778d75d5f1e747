"""Dead letters into the log."""

from collections.abc import Mapping, Sequence

from hookstream.model.records import Dead
from hookstream.store.logged import Logged
from hookstream.store.offsets import Move, Partition, Position
from hookstream.store.views import Views


class DeadToViews:
    """Writes batches of dead letters."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def __call__(
        self,
        read: Sequence[Logged[Dead]],
        moves: Sequence[Move],
        positions: Mapping[Partition, Position],
    ) -> None:
        """Store them; what was told twice is one."""
        del positions
        self._views.dead(read, moves)
