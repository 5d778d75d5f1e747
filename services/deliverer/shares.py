"""How the slots of one process are shared out, so that no receiver can slow another.

Every webhook has a rank, by what is known of it now:

- *fast*: its answers take 250 ms or less on average, and nothing of its own is open for longer;
- *slow*: it answers, and takes longer;
- *unproven*: it has not answered yet, or not for a minute;
- *suspect*: it failed till its limit fell below its start, or has been silent for a second.

A request of a rank is opened only while that rank **and all below it** hold less than its part:
suspects an eighth of the slots, with the unproven a half, with the slow three quarters; and, but
for the fast, only while its webhook has fewer open than are free to its rank. Hence the bound:

- A quarter of the slots is the fast ones' alone, whatever the others do and however many they are:
  at 50 ms an answer and 2,000 slots, 10,000 requests a second. Beyond its part a rank holds only
  what was opened in a higher one: by a fast webhook that falls silent, what it opened within a
  quarter of a second and a tick, and no more than its limit, which follows what it used lately.
- The same holds for a quarter of the slow over the unproven and for three eighths of the unproven
  over suspects.
- A slow webhook alone gets half of three quarters of the slots, or its ceiling; `n` of them with
  more to send get the same each, and leave as much for one that comes.
"""

from services.deliverer.health import START, Health

SUSPECT, UNPROVEN, SLOW, FAST = range(4)
FAST_MS = 250
"""The longest that a fast webhook takes to answer, on average."""


def rank_of(health: Health, mean_ms: float | None, late: int, silent: int) -> int:
    """Of a webhook that answers within `mean_ms` (None: not yet), and of whose open requests so
    many are late (open for longer than a fast one's may be) and silent (for a second)."""
    if silent or health.limit < START:
        return SUSPECT
    if mean_ms is None:
        return UNPROVEN
    return SLOW if late or mean_ms > FAST_MS else FAST


class Shares:
    """Counts what each rank holds."""

    __slots__ = ("_parts", "_slots", "held", "in_flight")

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._parts = (max(1, slots // 8), max(1, slots // 2), max(1, slots * 3 // 4))
        self.held = [0, 0, 0, 0]
        self.in_flight = 0

    def opened(self, rank: int, count: int = 1) -> None:
        """So many more requests (fewer, if negative) of webhooks of this rank are open."""
        self.held[rank] += count
        self.in_flight += count

    def free(self, rank: int) -> int:
        """How many more requests this rank may open; none, if zero or less."""
        free = self._slots - self.in_flight
        if rank == FAST:
            return free
        held = self.in_flight
        for above in range(FAST, rank, -1):
            held -= self.held[above]
            free = min(free, self._parts[above - 1] - held)
        return free

    def has_slot(self, rank: int, own: int) -> bool:
        """Whether a webhook of this rank that has `own` requests open may open another."""
        return self.free(rank) > (0 if rank == FAST else own)
