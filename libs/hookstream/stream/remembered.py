"""Remembered: the last settled turns of one partition, packed. Pure.

A deliverer has hundreds of thousands of them, more than of anything else: each is a key in a
dictionary and a place in four columns. As objects of their own they took three times as much.
"""

from array import array
from binascii import unhexlify
from typing import get_args

from msgspec import Struct

from hookstream.model.records import Result

RING = 20_000
"""Turns of a kind, first or later, that are remembered of a partition."""
TURN_BYTES = 200
"""What one takes up at most, all counted: some 170 where all partitions are full."""
Key = bytes | str

_RESULTS: tuple[Result, ...] = get_args(Result)
_CODES = {result: code for code, result in enumerate(_RESULTS)}
_PLACES = tuple(range(2 * RING))
"""One int for each place, the same for all partitions: 28 bytes a turn would be their own."""
_UUID_LENGTH = 36


class Entry(Struct, frozen=True, gc=False):
    """What is known of a delivery: its latest turn, and how that ended; None while it is open."""

    turn: int
    result: Result | None
    hash: int
    """`hash` of the payload's hash: 64 bits, and only this process's. 0: not known."""


def key_of(delivery: str) -> Key:
    """A UUID's 16 bytes, two thirds of what its text takes up; an id that is none as it is."""
    if len(delivery) != _UUID_LENGTH:
        return delivery
    try:
        return unhexlify(delivery.replace("-", ""))
    except ValueError:
        return delivery


class _Columns:
    """Turns of one kind, in the order in which they were settled; the next takes the oldest's
    place. They grow until then: what is small stays small."""

    __slots__ = ("hashes", "keys", "next", "results", "turns")

    def __init__(self) -> None:
        self.next = 0
        self.keys: list[Key] = []
        self.turns = array("q")
        self.hashes = array("q")
        self.results = bytearray()


class Remembered:
    """The last turns that were settled, by delivery: `ring` first turns and as many later ones, so
    that retries do not push out what a router may repeat."""

    def __init__(self, ring: int = RING) -> None:
        self._ring = ring
        self._columns = (_Columns(), _Columns())
        self._places: dict[Key, int] = {}
        """Of the latest turn: twice its index, and one more where it is in the second columns."""

    def __len__(self) -> int:
        return len(self._places)

    def find(self, key: Key) -> Entry | None:
        """The latest turn of this delivery, as far as it is remembered."""
        place = self._places.get(key)
        if place is None:
            return None
        columns, at = self._columns[place & 1], place >> 1
        return Entry(columns.turns[at], _RESULTS[columns.results[at]], columns.hashes[at])

    def put(self, key: Key, turn: int, result: Result, hash_: int) -> Key | None:
        """Its latest turn from now on. Returns who was forgotten for it."""
        later = turn > 1
        columns, places, forgotten = self._columns[later], self._places, None
        at = columns.next
        place = _PLACES[2 * at + later]
        if at == len(columns.keys):
            columns.keys.append(key)
            columns.turns.append(turn)
            columns.results.append(_CODES[result])
            columns.hashes.append(hash_)
        else:
            oldest = columns.keys[at]
            if places.get(oldest) == place:
                del places[oldest]
                forgotten = oldest
            columns.keys[at], columns.turns[at], columns.hashes[at] = key, turn, hash_
            columns.results[at] = _CODES[result]
        places[key] = place
        columns.next = at + 1 if at + 1 < self._ring else 0
        return forgotten
