"""What retry holds in memory, by count and bytes."""

import threading

from hookstream.stream.record import Record


class Held:
    """One record that waits here. `in_tier`: it has still to wait for its tier's delay to pass."""

    __slots__ = ("due_at_ms", "in_tier", "record")

    def __init__(self, record: Record, due_at_ms: int, *, in_tier: bool) -> None:
        self.record = record
        self.due_at_ms = due_at_ms
        self.in_tier = in_tier


class Tally:
    """How many records, and how many bytes of them. Threads may share it."""

    __slots__ = ("_lock", "bytes", "last_at_ms", "records")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.records = 0
        self.bytes = 0
        self.last_at_ms = 0
        """When the last of them goes on."""

    def add(self, record: Record, at_ms: int = 0) -> None:
        """Count one in that goes on at `at_ms`."""
        with self._lock:
            self.records += 1
            self.bytes += len(record.raw)
            self.last_at_ms = max(self.last_at_ms, at_ms)

    def remove(self, record: Record) -> None:
        """Count one out."""
        with self._lock:
            self.records -= 1
            self.bytes -= len(record.raw)
