"""Restarts services that end, after a pause that grows; gives up on one that ends at once."""

from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread
from time import monotonic

from services.cli.service import Service

_LOOK_S = 0.2
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_STEADY_S = 20.0
MOST_RESTARTS = 6
"""So often in a row, each within twenty seconds of the one before."""


class Keeper:
    """Watches services from a thread of its own.

    `tell` gets a line for each restart. `failed` is set, with `reason`, when it gives up.
    """

    def __init__(self, services: Sequence[Service], tell: Callable[[str], None]) -> None:
        self.lock = Lock()
        """Held while a service is started or stopped."""
        self.failed = Event()
        self.reason = ""
        self._services = services
        self._tell = tell
        self._closing = Event()
        self._falls: dict[str, list[float]] = {}
        self._thread = Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(_LOOK_S) and not self.failed.is_set():
            for service in self._services:
                if service.wanted and not service.is_running:
                    self._restart(service)

    def _restart(self, service: Service) -> None:
        falls = self._recent(service)
        if len(falls) > MOST_RESTARTS:
            self.reason = f"{service.name} ends again and again:\n{service.last_words()}"
            self.failed.set()
            return
        pause_s = min(_FIRST_PAUSE_S * 2 ** (len(falls) - 1), _LONGEST_PAUSE_S)
        self._tell(f"{service.name} ended; it starts again in {pause_s:.1f} s")
        if self._closing.wait(pause_s):
            return
        with self.lock:
            if service.wanted and not service.is_running:
                service.spawn()

    def _recent(self, service: Service) -> list[float]:
        """When it fell, this time included; a steady while before this one wipes the slate."""
        now = monotonic()
        falls = self._falls.setdefault(service.name, [])
        if falls and now - falls[-1] > _STEADY_S:
            falls.clear()
        falls.append(now)
        return falls
