"""A data folder belongs to one running system; what a killed one left running is ended first."""

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from hookstream.embedded.child import EmbeddedError, end

FOLDER_SETTING = "HOOKSTREAM_UP_DATA_DIR"
"""Every service of a system has it in its environment, by which leftovers are known."""


class Folder:
    """Held from `claim` to `release`, and released by the system if its owner dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def claim(self, services: Sequence[str]) -> None:
        """Make it ours. EmbeddedError while another system runs on it."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise EmbeddedError(
                f"{self.path} is in use by another Hookstream: end it, or choose another folder "
                f"with {FOLDER_SETTING}"
            ) from None
        self._lock = lock
        end([p for p in psutil.process_iter() if any(runs(p, s, self.path) for s in services)])

    def release(self) -> None:
        """Let it go; may be repeated."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def runs(process: psutil.Process, service: str, folder: Path) -> bool:
    """Whether this process is that service of a system in this folder."""
    with suppress(psutil.Error):
        if process.cmdline()[-3:] == ["-m", "services.cli.main", service]:
            return process.environ().get(FOLDER_SETTING) == str(folder)
    return False
