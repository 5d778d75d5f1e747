"""DelayLine: what waits in memory, each record till its moment. One of the five named memories.

A heap by time; a thread hands records over when they are due, never early. Threads: the loop puts,
this one releases. Its bound is kept by the loop's handler, which reads no more than it may hold.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Container, Sequence

from hookstream.stream.record import Assignment
from services.retry.held import Held

_LONGEST_S = 1.0


class DelayLine:
    """Holds records until their moment, then calls `release` with each."""

    def __init__(self, release: Callable[[Held], None], clock_ms: Callable[[], float]) -> None:
        self._release = release
        self._clock_ms = clock_ms
        self._heap: list[tuple[int, int, Held]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, waiting: Sequence[tuple[int, Held]]) -> None:
        """Take in records, each with the moment to release it (milliseconds since the epoch)."""
        with self._changed:
            first = self._heap[0][0] if self._heap else None
            for at_ms, held in waiting:
                heapq.heappush(self._heap, (at_ms, next(self._numbers), held))
            if self._heap and self._heap[0][0] != first:
                self._changed.notify()

    def forget(self, gone: Container[Assignment]) -> list[Held]:
        """Take out what came from these partitions: another process has it now."""
        with self._changed:
            out = [held for _, _, held in self._heap if held.record.assignment in gone]
            self._heap = [w for w in self._heap if w[2].record.assignment not in gone]
            heapq.heapify(self._heap)
        return out

    def overdue_ms(self) -> float:
        """How late the record is that should have gone first; 0 where none is late."""
        with self._changed:
            return max(0.0, self._clock_ms() - self._heap[0][0]) if self._heap else 0.0

    def run(self) -> None:
        """Release what is due until `close`, in the thread that calls this."""
        while True:
            with self._changed:
                if not (self._closed or self._is_due()):
                    self._changed.wait(self._pause_s())  # what is put meanwhile may be due sooner
                if self._closed:
                    return
                due = self._pop_due()
            for held in due:
                self._release(held)

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

    def _pop_due(self) -> list[Held]:
        now_ms, due = self._clock_ms(), []
        while self._heap and self._heap[0][0] <= now_ms:
            due.append(heapq.heappop(self._heap)[2])
        return due


def clock_ms() -> float:
    """Milliseconds since the epoch, with their fractions: never early means not even by one."""
    return time.time_ns() / 1e6
