"""What a loop counts of itself, in plain numbers: others look at them now and then."""

from collections.abc import Callable, Iterable, Sequence

from hookstream.stream.record import Assignment


def _untold(_: float) -> None:
    pass


class Counts:
    """Written by the loop's thread alone."""

    __slots__ = ("commits_refused", "full_s", "lost", "moved", "read", "told")

    def __init__(self, topics: Sequence[str]) -> None:
        self.moved = {"assigned": 0, "revoked": 0, "lost": 0}
        """Partitions that came and went."""
        self.read = dict.fromkeys(topics, 0)
        """Records read of partitions that have gone since, by topic."""
        self.lost = dict.fromkeys(topics, 0)
        """Records deleted before they were read, by topic."""
        self.commits_refused = 0
        self.full_s = 0.0
        """For how long reading was held up, because enough was open."""
        self.told: Callable[[float], None] = _untold
        """Told how long each turn took, waiting for records included."""

    def turned(self, took_s: float, *, full: bool) -> None:
        """One more turn."""
        self.told(took_s)
        if full:
            self.full_s += took_s

    def read_of(self, there: Iterable[Assignment]) -> dict[str, int]:
        """Records read so far by topic; `there`: what is assigned now."""
        total = dict(self.read)
        for assignment in there:
            total[assignment.topic] += assignment.read
        return total
