"""The floor as a process of its own, and what it has spent."""

import subprocess
import sys
from pathlib import Path

from bench.stage import bound_s

_ROOT = Path(__file__).parents[1]


class Bare:
    """`run` starts the bare loop and returns when it has sent all; then `cpu` is in seconds."""

    def __init__(self, servers: str, topic: str, receiver: str, count: int) -> None:
        self._command = [sys.executable, "-m", "bench.floor", servers, topic, f"{receiver}/floor"]
        self._command.append(str(count))
        self._within_s = bound_s(count)
        self.cpu = 0.0

    def run(self) -> None:
        """CalledProcessError if it fails, TimeoutExpired if it is not done in time."""
        done = subprocess.run(
            self._command, check=True, timeout=self._within_s, cwd=_ROOT, stdout=subprocess.PIPE
        )
        self.cpu = float(done.stdout)
