"""Pace: how far apart turns are. Pure: told the time, never asks for it."""

APART_S = 0.01
"""Under load a turn begins this long after the one before: what a turn costs is shared by more."""
BUSY_PER_S = 600
"""From so many records a second on it is load; below, each record is taken the moment it comes."""
_WINDOW_S = 0.1


class Pace:
    """Counts records by tenths of a second and says how long to rest before the next turn."""

    def __init__(self) -> None:
        self._since = 0.0
        self._count = 0
        self.is_busy = False
        """Whether it is load: as the last tenth of a second has shown."""
        self._last = 0.0

    def took(self, count: int, now: float) -> None:
        """So many records came with the turn that ends at `now` (seconds, monotonic)."""
        self._last = now
        self._count += count
        if now - self._since >= _WINDOW_S:
            self.is_busy = self._count >= BUSY_PER_S * (now - self._since)
            self._since, self._count = now, 0

    def rest_s(self, now: float) -> float:
        """Seconds to rest before reading again; 0 where little comes."""
        return max(0.0, self._last + APART_S - now) if self.is_busy else 0.0
