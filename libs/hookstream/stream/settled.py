"""Settled: what a deliverer must not do again, per partition (once.md 7 to 10).

A delivery's latest known turn is open here, followed by a next one, or final. It is learnt from
the tail of outcomes when a partition is taken over, and from this deliverer's own turns after
that. Bounded by count, never by time (`remembered.py`). Pure: no clock, no Kafka.
"""

from enum import Enum

from msgspec import Struct

from hookstream.model.records import FINAL, SUCCEEDED_BY, UNSETTLED, Attempt, Result
from hookstream.stream.remembered import RING, Entry, Key, Remembered, key_of


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


def deciding(first: Settlement, second: Settlement) -> Settlement:
    """Which of two outcomes of one delivery counts, given in the order of the log (once.md 7)."""
    if second.result in UNSETTLED or first.result == "succeeded":
        return first
    if first.result in UNSETTLED or second.result == "succeeded":
        return second
    if first.result in FINAL or second.turn <= first.turn:
        return first
    return second


class _Open(Entry, frozen=True, gc=False):
    """A turn that is open here."""

    key: Key


class Settled:
    """What is known of the deliveries of one partition; belongs to one assignment."""

    def __init__(self, ring: int = RING) -> None:
        self._open: dict[str, _Open] = {}
        self._past = Remembered(ring)
        self._unwritten: dict[Key, Settlement] = {}
        """Read from the tail, and not known whether their successor was acknowledged."""

    def __len__(self) -> int:
        return len(self._open) + len(self._past)

    def take(self, delivery: str, turn: int, hash_: str) -> Step:
        """What to do with a record that carries this turn of this delivery. What is to be executed
        is open from now on: queued, wait-listed or in flight here."""
        opened = self._open.get(delivery)
        key = opened.key if opened else key_of(delivery)
        known = opened or self._past.find(key)
        step = self._step(known, key, turn, hash_) if known else Step.EXECUTE
        if step is Step.EXECUTE:
            self._open[delivery] = _Open(turn, None, hash(hash_), key)
        return step

    def ended(self, delivery: str, settlement: Settlement) -> None:
        """This deliverer settled the turn and sees to its successor itself."""
        opened = self._open.get(delivery)
        key = opened.key if opened else key_of(delivery)
        if settlement.result not in FINAL:
            known = opened or self._past.find(key)
            if known and known.turn > settlement.turn:
                return
        if opened:
            del self._open[delivery]
        self._remember(key, settlement)

    def rewritten(self, delivery: str) -> Settlement:
        """How its latest turn was settled: the successor is written again, so that any other copy
        is dropped from now on."""
        return self._unwritten.pop(key_of(delivery))

    def learn(self, delivery: str, settlement: Settlement, source_done: bool) -> None:
        """Take in one outcome from the tail, in the order of the log.

        `source_done`: the record it settles is committed or in the done map, so its successor is
        known to be acknowledged.
        """
        if settlement.result in UNSETTLED:
            return
        key = key_of(delivery)
        known = self._past.find(key)
        if known is not None and known.result is not None:
            before = Settlement(turn=known.turn, result=known.result)
            if deciding(before, settlement) is before:
                if source_done:
                    self._unwritten.pop(key, None)
                return
        self._remember(key, settlement)
        self._unwritten.pop(key, None)
        if not source_done and settlement.result in SUCCEEDED_BY:
            self._unwritten[key] = settlement

    def _step(self, known: Entry, key: Key, turn: int, hash_: str) -> Step:
        if known.hash and hash_ and known.hash != hash(hash_):
            return Step.CONFLICT
        if known.result in FINAL or turn < known.turn:
            return Step.DROP
        if turn > known.turn:
            return Step.EXECUTE
        unwritten = self._unwritten.get(key)
        return Step.REWRITE if unwritten and unwritten.turn == turn else Step.DROP

    def _remember(self, key: Key, settlement: Settlement) -> None:
        turn, result = settlement.turn, settlement.result
        forgotten = self._past.put(key, turn, result, hash(settlement.hash))
        if self._unwritten and forgotten is not None:
            self._unwritten.pop(forgotten, None)
