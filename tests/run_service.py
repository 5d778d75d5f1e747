"""Runs one service as a process for a test: `python -m tests.run_service NAME`.

DIE_AT="<step>:<n>" makes the deliverer die, as `kill -9` would, the n-th time it reaches a step.
"""

import functools
import importlib
import itertools
import os
import signal
import sys

from hookstream.process.run import run


def dying_at(step: str, count: int) -> object:
    """A hook that kills its own process at the `count`-th time of `step`."""
    times = itertools.count(1)

    def reached(now: str) -> None:
        if now == step and next(times) == count:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


def main() -> None:
    """Start the service named on the command line."""
    name = sys.argv[1]
    service = importlib.import_module(f"services.{name}.main")
    start = service.main
    if die_at := os.environ.pop("DIE_AT", ""):
        step, _, count = die_at.partition(":")
        start = functools.partial(start, reached=dying_at(step, int(count or 1)))
    run(name, start, known=service.SETTINGS)


if __name__ == "__main__":
    main()
