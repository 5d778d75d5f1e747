"""The window of one partition: which of its records are finished, and what may be committed.

Records finish in any order; only what is finished from the start on may be committed. What is
finished beyond that travels in the commit's metadata as a *done map*, so that whoever takes the
partition over repeats only what was not finished. Pure: no clock, no Kafka (once.md 1, 2, 8).
"""

import base64
import binascii
import zlib
from collections import deque

from msgspec import Struct

SPAN = 20_000
"""Offsets between the oldest unfinished record and the newest: full means reading pauses."""
_VERSION = "1"


class Committed(Struct, frozen=True, kw_only=True, gc=False):
    """What one commit says of a partition."""

    offset: int
    done: frozenset[int] = frozenset()
    """Finished offsets at or above `offset`."""
    log_from: int | None = None
    """Where in the partition of outcomes to start reading; None before the first outcome."""
    at_ms: int = 0

    @classmethod
    def parse(cls, offset: int, metadata: str | None) -> "Committed | None":
        """A commit read back; None if its metadata is not ours."""
        try:
            version, at_ms, log_from, packed = (metadata or "").split(",")
            bitmap = zlib.decompress(base64.b85decode(packed)) if packed else b""
            if version != _VERSION:
                return None
            done = frozenset(offset + i for i in range(len(bitmap) * 8) if _bit(bitmap, i))
            start = int(log_from) if log_from else None
            return cls(offset=offset, done=done, log_from=start, at_ms=int(at_ms))
        except (ValueError, zlib.error, binascii.Error):
            return None


class Window:
    """Tracks the records of one partition from their arrival to their commit."""

    def __init__(self, start: Committed) -> None:
        self._order: deque[int] = deque()
        self._open: dict[int, int] = {}
        self._inherited = start.done
        self._inherited_end = max(start.done, default=-1) + 1
        self._next = start.offset
        self._logged: dict[int, int] = {}
        self._log_end = start.log_from
        self.open_bytes = 0
        self.changed = False

    def add(self, offset: int, size: int) -> bool:
        """Take in a record that arrived; False if it is finished already and must be skipped."""
        self._next = max(self._next, offset + 1)
        if offset in self._inherited:
            self.changed = True
            return False
        self._order.append(offset)
        self._open[offset] = size
        self.open_bytes += size
        return True

    def logged(self, offset: int, log_offset: int) -> None:
        """The outcome of the record at `offset` is acknowledged at `log_offset`."""
        if offset >= self.base:
            self._logged[offset] = log_offset
        self._log_end = max(self._log_end or 0, log_offset + 1)
        self.changed = True

    def read_log_to(self, end: int) -> None:
        """The partition of outcomes has been read up to `end`."""
        self._log_end = max(self._log_end or 0, end)

    def done(self, offset: int) -> None:
        """All that the record at `offset` led to is acknowledged."""
        self.open_bytes -= self._open.pop(offset, 0)
        self._logged.pop(offset, None)
        while self._order and self._order[0] not in self._open:
            self._order.popleft()
        self.changed = True

    def skip_to(self, start: int) -> int:
        """The log begins at `start` by now; how many offsets before it were not read or done."""
        skipped = range(self._next, start)
        unread = len(skipped) - sum(offset in skipped for offset in self._inherited)
        self._next = max(self._next, start)
        self.changed = True
        return unread

    @property
    def base(self) -> int:
        """The offset to commit: nothing below it is unfinished."""
        return self._order[0] if self._order else self._next

    @property
    def next(self) -> int:
        """The offset to read next."""
        return self._next

    @property
    def span(self) -> int:
        return self._next - self.base

    def __len__(self) -> int:
        return len(self._open)

    @property
    def log_from(self) -> int | None:
        """The lowest acknowledged outcome whose record is not done, else the end of those known."""
        base = self.base
        pending = [at for offset, at in self._logged.items() if offset >= base]
        return min(pending, default=self._log_end)

    def metadata(self, now_ms: int) -> str:
        """What to write beside `base`; at most 4,096 bytes at the span this window is held to."""
        base = self.base
        self._logged = {o: at for o, at in self._logged.items() if o >= base}
        log_from = "" if (start := self.log_from) is None else start
        return f"{_VERSION},{now_ms},{log_from},{self._packed(base)}"

    def _packed(self, base: int) -> str:
        end = max(self._next, self._inherited_end)
        if end <= base:
            return ""
        bitmap = bytearray(b"\xff" * ((end - base + 7) // 8))
        not_done = [*self._open, *range(end, base + len(bitmap) * 8)]
        if end > self._next:
            not_done += [o for o in range(self._next, end) if o not in self._inherited]
        for offset in not_done:
            bitmap[(offset - base) >> 3] &= ~(1 << ((offset - base) & 7))
        return base64.b85encode(zlib.compress(bytes(bitmap), 1)).decode()


def _bit(bitmap: bytes, i: int) -> bool:
    return bool(bitmap[i >> 3] >> (i & 7) & 1)
