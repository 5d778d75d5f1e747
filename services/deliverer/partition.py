"""What the deliverer keeps of one partition while it is assigned."""

from collections.abc import Callable

from hookstream.stream.record import Assignment
from hookstream.stream.settled import Settled
from hookstream.stream.tail import TailEntry
from services.deliverer.passage import Passage


class Partition:
    """Its turns: those that are open, and those that were settled."""

    __slots__ = ("closing", "open", "settled", "since_ms", "steady")

    def __init__(self, settled: Settled, since_ms: int, steady: Callable[[], bool]) -> None:
        self.settled = settled
        self.since_ms = since_ms
        """Since when nobody else has sent what is in it."""
        self.steady = steady
        self.open: set[Passage] = set()
        self.closing = False


def learn(assignment: Assignment, entry: TailEntry) -> None:
    """Take one outcome of the tail into Settled, and remember where it stands if it must stay."""
    committed, source = assignment.committed, entry.settlement.source
    done = source < committed.offset or source in committed.done
    assignment.state.settled.learn(entry.delivery, entry.settlement, done)
    if not done:
        assignment.window.logged(source, entry.offset)
