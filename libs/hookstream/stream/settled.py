"""Settled: what a deliverer must not do again, per partition (once.md 7 to 10).

A delivery's latest known turn is open here, followed by a next one, or final. It is learnt from
the tail of outcomes when a partition is taken over, and from this deliverer's own turns after
that. Bounded by count, never by time: first turns and later turns have a ring each, so that
retries do not push out what a router may repeat. Pure: no clock, no Kafka.
"""

from collections import deque
from enum import Enum

from msgspec import Struct

from hookstream.model.records import FINAL, SUCCEEDED_BY, UNSETTLED, Attempt, Result

RING = 20_000


class Settlement(Struct, frozen=True, kw_only=True, gc=False):
    """How a turn was settled: what an outcome's headers say, enough to write its successor."""

    turn: int
    result: Result
    hash: str = ""
    next_due_at_ms: int | None = None
    deferred_since_ms: int | None = None
    reason: str | None = None
    attempt: Attempt | None = None
    source: int = -1
    """Offset, in the same partition of deliveries, of the record this outcome settles."""


class Step(Enum):
    """What to do with a record of deliveries."""

    EXECUTE = "execute"
    DROP = "drop"
    REWRITE = "rewrite"
    CONFLICT = "conflict"


class Known:
    """The latest known turn of one delivery; `settlement` is None while it is open here."""

    __slots__ = ("hash", "settlement", "successor_known", "turn")

    def __init__(self, turn: int, hash_: str) -> None:
        self.turn = turn
        self.hash = hash_
        self.settlement: Settlement | None = None
        self.successor_known = True

    @property
    def final(self) -> bool:
        return self.settlement is not None and self.settlement.result in FINAL


def deciding(first: Settlement, second: Settlement) -> Settlement:
    """Which of two outcomes of one delivery counts, given in the order of the log (once.md 7)."""
    if second.result in UNSETTLED or first.result == "succeeded":
        return first
    if first.result in UNSETTLED or second.result == "succeeded":
        return second
    if first.result in FINAL or second.turn <= first.turn:
        return first
    return second


class Settled:
    """What is known of the deliveries of one partition; belongs to one assignment."""

    def __init__(self, ring: int = RING) -> None:
        self._ring = ring
        self._known: dict[str, Known] = {}
        self._first: deque[tuple[str, int]] = deque()
        self._later: deque[tuple[str, int]] = deque()

    def __len__(self) -> int:
        return len(self._known)

    def step(self, delivery: str, turn: int, hash_: str) -> Step:
        """What to do with a record that carries this turn of this delivery."""
        known = self._known.get(delivery)
        if known is None:
            return Step.EXECUTE
        if known.hash and hash_ and known.hash != hash_:
            return Step.CONFLICT
        if known.final or turn < known.turn:
            return Step.DROP
        if turn > known.turn:
            return Step.EXECUTE
        return Step.DROP if known.successor_known else Step.REWRITE

    def settlement(self, delivery: str) -> Settlement | None:
        """How the latest known turn was settled, None while it is open."""
        known = self._known.get(delivery)
        return known.settlement if known else None

    def opened(self, delivery: str, turn: int, hash_: str) -> None:
        """This turn is queued, wait-listed or in flight here."""
        self._known[delivery] = Known(turn, hash_)

    def ended(self, delivery: str, settlement: Settlement) -> None:
        """This deliverer settled the turn and sees to its successor itself."""
        known = self._known.get(delivery)
        if known is not None and known.turn > settlement.turn and settlement.result not in FINAL:
            return
        now = Known(settlement.turn, settlement.hash)
        now.settlement = settlement
        self._remember(delivery, now)

    def rewritten(self, delivery: str) -> None:
        """The successor of the latest known turn is written again: any other copy is dropped."""
        self._known[delivery].successor_known = True

    def learn(self, delivery: str, settlement: Settlement, source_done: bool) -> None:
        """Take in one outcome from the tail, in the order of the log.

        `source_done`: the record it settles is committed or in the done map, so its successor is
        known to be acknowledged.
        """
        if settlement.result in UNSETTLED:
            return
        known = self._known.get(delivery)
        counts = settlement
        if known is not None and known.settlement is not None:
            counts = deciding(known.settlement, settlement)
            if counts is known.settlement:
                known.successor_known = known.successor_known or source_done
                return
        now = Known(counts.turn, counts.hash)
        now.settlement = counts
        now.successor_known = source_done or counts.result not in SUCCEEDED_BY
        self._remember(delivery, now)

    def _remember(self, delivery: str, now: Known) -> None:
        self._known[delivery] = now
        ring = self._first if now.turn <= 1 else self._later
        ring.append((delivery, now.turn))
        if len(ring) > self._ring:
            self._forget(*ring.popleft())

    def _forget(self, delivery: str, turn: int) -> None:
        known = self._known.get(delivery)
        if known is not None and known.settlement is not None and known.turn == turn:
            del self._known[delivery]
