"""What the loop hands to a handler: a record, and the assignment it came under."""

from collections import deque
from typing import Any

from msgspec import Struct

from hookstream.stream.window import Committed, Window


class Assignment:
    """One partition while it is ours. It ends for good when the partition is revoked or lost."""

    __slots__ = (
        "alive",
        "committed",
        "end",
        "events",
        "partition",
        "paused",
        "read",
        "read_at_ms",
        "state",
        "topic",
        "window",
    )

    def __init__(self, topic: str, partition: int, committed: Committed, events: "Events") -> None:
        self.topic = topic
        """Without the prefix."""
        self.partition = partition
        self.committed = committed
        self.window = Window(committed)
        self.events = events
        self.alive = True
        """Checked before every produce: work for a partition that is gone settles nothing."""
        self.paused = False
        self.read = 0
        """Records read of it so far."""
        self.read_at_ms = committed.at_ms
        """When the broker appended the last of them; before the first: the last commit."""
        self.end: int | None = None
        """Where it ended when last asked; None: not asked yet."""
        self.state: Any = None
        """The handler's own memory of this partition; dies with the assignment."""

    @property
    def lag(self) -> int:
        """Records that are not finished, as far as is known."""
        return max(0, (self.end or 0) - self.window.base)

    def unread_age_s(self, now_ms: int) -> float:
        """Seconds since the oldest record that is not read was appended, or somewhat more."""
        if (self.end or 0) <= self.window.next or not self.read_at_ms:
            return 0.0
        return max(0.0, (now_ms - self.read_at_ms) / 1000)


Events = deque[tuple[Assignment, int, int | None]]
"""From handlers to the loop: (assignment, offset, None) is done, with a log offset: logged."""


class Record:
    """One Kafka record, decoded where the loop was given a codec."""

    __slots__ = ("assignment", "headers", "key", "offset", "raw", "size", "timestamp_ms", "value")

    def __init__(
        self,
        assignment: Assignment,
        offset: int,
        timestamp_ms: int,
        key: bytes | None,
        headers: dict[str, bytes],
        raw: bytes,
    ) -> None:
        self.assignment = assignment
        self.offset = offset
        self.timestamp_ms = timestamp_ms
        """When the broker appended it."""
        self.key = key
        self.headers = headers
        self.raw = raw
        """Its bytes; empty once they were let go."""
        self.size = len(raw)
        self.value: Struct | None = None

    def let_go(self) -> None:
        """Keep what was decoded, not its bytes as well: there is a long time to wait."""
        self.raw = b""

    def done(self) -> None:
        """All that this record led to is acknowledged. From any thread, once."""
        self.assignment.events.append((self.assignment, self.offset, None))

    def logged(self, log_offset: int) -> None:
        """This record's outcome is acknowledged at `log_offset`; its end is not yet."""
        self.assignment.events.append((self.assignment, self.offset, log_offset))
