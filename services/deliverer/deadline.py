"""Deadlines for all that requests do. What `asyncio.timeout` does, at a tenth of its cost.

Requests with the same deadline reach it in the order in which they began: one timer serves them
all, and one that ends in time costs no timer at all (decision 13).
"""

import asyncio
from collections import deque
from time import monotonic
from types import TracebackType

_STEP_S = 0.001


class Deadlines:
    """All that run on one event loop."""

    def __init__(self) -> None:
        self._rows: dict[float, _Row] = {}

    def within(self, after_s: float) -> "Deadline":
        """`with deadlines.within(seconds)`: raises TimeoutError where the block still waits then.

        Never early: uvloop counts whole milliseconds and may wake up to one too soon.
        """
        row = self._rows.get(after_s)
        if row is None:
            self._forget_empty()
            row = self._rows[after_s] = _Row(after_s)
        return Deadline(row)

    def _forget_empty(self) -> None:
        for after_s in [after_s for after_s, row in self._rows.items() if row.timer is None]:
            del self._rows[after_s]


class _Row:
    """Deadlines of one length, in the order in which they come."""

    __slots__ = ("after_s", "queue", "timer")

    def __init__(self, after_s: float) -> None:
        self.after_s = after_s
        self.queue: deque[Deadline] = deque()
        self.timer: asyncio.TimerHandle | None = None

    def add(self, deadline: "Deadline") -> None:
        self.queue.append(deadline)
        if self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(self.after_s, self._due)

    def sweep(self) -> None:
        """What ended in time behind one that has not is kept till then: a few bytes each."""
        queue = self.queue
        while queue and queue[0].task is None:
            queue.popleft()

    def _due(self) -> None:
        self.sweep()
        while self.queue and (left_s := self.queue[0].ends_at - monotonic()) <= 0:
            self.queue.popleft().reached()
            self.sweep()
        self.timer = None
        if self.queue:
            self.timer = asyncio.get_running_loop().call_later(left_s + _STEP_S, self._due)


class Deadline:
    """That of one request; ends the task it was entered in."""

    __slots__ = ("_cancelling", "_passed", "_row", "ends_at", "task")

    def __init__(self, row: _Row) -> None:
        self._row = row
        self._passed = False
        self.ends_at = 0.0
        self.task: asyncio.Task[object] | None = None
        """None: not begun, or over."""

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline needs a task to end")
        self.task = task
        self._cancelling = task.cancelling()
        self.ends_at = monotonic() + self._row.after_s
        self._row.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        task, self.task = self.task, None
        self._row.sweep()
        # Cancelled by somebody else as well: that one wins, as in asyncio.timeout.
        if self._passed and task and task.uncancel() <= self._cancelling:  # noqa: SIM102
            if kind is not None and issubclass(kind, asyncio.CancelledError):
                raise TimeoutError from error

    def reached(self) -> None:
        """The time is over, and the block is not."""
        if self.task is not None:
            self._passed = True
            self.task.cancel()
