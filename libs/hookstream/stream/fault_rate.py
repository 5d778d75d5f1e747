"""Whether a fault of ours is one record's, or this process can do nothing right. Pure.

What nobody foresaw in one record must hold up nobody else: the record is put aside, and work goes
on. But a process that fails whatever it takes up must end before it has put everything aside.
"""

from collections import deque

LAST = 20
"""So many are looked back on."""


class FaultRate:
    """Remembers how the last records went."""

    def __init__(self) -> None:
        self._last: deque[bool] = deque(maxlen=LAST)

    def went_well(self) -> None:
        """One more without a fault of ours."""
        self._last.append(False)

    def failed(self) -> bool:
        """One more with a fault; whether by now that is more than half of the last `LAST`."""
        self._last.append(True)
        return sum(self._last) > LAST // 2
