"""Runs one service for a run of faults: `python -m tests.chaos.service NAME FOLDER`.

A file `die-at` in the folder names a step of a turn: a deliverer that takes that step next kills
itself there, as `kill -9` would. SIGUSR1 has any service write where each of its threads is.
"""

import faulthandler
import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from hookstream.process.run import run
from services.cli.settings import known

DIE_AT = "die-at"


def dying_by(file: Path) -> Callable[[str], None]:
    """A hook that kills its own process at the step that the file names."""

    def reached(step: str) -> None:
        if file.exists() and file.read_text() == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


def main() -> None:
    """Start the service named on the command line."""
    name, folder = sys.argv[1:3]
    faulthandler.register(signal.SIGUSR1)
    start = importlib.import_module(f"services.{name}.main").main
    if name == "deliverer":
        start = functools.partial(start, reached=dying_by(Path(folder) / DIE_AT))
    run(name, start, known=known())


if __name__ == "__main__":
    main()
