"""DelayLine: what waits in memory, each record till its moment. One of the five named memories.

A heap by time, bounded by what the loop reads; a thread hands records over when they are due,
never early. Threads: the loop puts, this one releases.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Sequence

from hookstream.stream.record import Record

Release = Callable[[Record, int], None]
"""Called with a record and the moment it waited for, in milliseconds since the epoch."""
_LONGEST_S = 1.0


class DelayLine:
    """Holds records until their moment."""

    def __init__(self, release: Release, clock_ms: Callable[[], float]) -> None:
        self._release = release
        self._clock_ms = clock_ms
        self._heap: list[tuple[int, int, Record]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, waiting: Sequence[tuple[int, Record]]) -> None:
        """Take in records, each with the moment to release it."""
        with self._changed:
            first = self._heap[0][0] if self._heap else None
            for at_ms, record in waiting:
                heapq.heappush(self._heap, (at_ms, next(self._numbers), record))
            if self._heap and self._heap[0][0] != first:
                self._changed.notify()

    def overdue_ms(self) -> float:
        """How late the record is that should have gone first; 0 where none is late."""
        with self._changed:
            return max(0.0, self._clock_ms() - self._heap[0][0]) if self._heap else 0.0

    def run(self) -> None:
        """Release what is due until `close`, in the thread that calls this."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._is_due(), self._pause_s())
                if self._closed:
                    return
                due = self._pop_due()
            for at_ms, _, record in due:
                if record.assignment.alive:
                    self._release(record, at_ms)

    def close(self) -> None:
        """End `run`; what waits is read again by whoever comes next."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _is_due(self) -> bool:
        return bool(self._heap) and self._heap[0][0] <= self._clock_ms()

    def _pause_s(self) -> float:
        if not self._heap:
            return _LONGEST_S
        return min(max((self._heap[0][0] - self._clock_ms()) / 1000, 0.0), _LONGEST_S)

    def _pop_due(self) -> list[tuple[int, int, Record]]:
        now_ms, due = self._clock_ms(), []
        while self._heap and self._heap[0][0] <= now_ms:
            due.append(heapq.heappop(self._heap))
        return due


def clock_ms() -> float:
    """Milliseconds since the epoch, with their fractions: never early means not even by one."""
    return time.time_ns() / 1e6
