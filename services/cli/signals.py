"""What Ctrl-C and SIGTERM do to a command that has started processes."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending() -> Iterator[None]:
    """SIGTERM and a closed terminal end the block as Ctrl-C does: by KeyboardInterrupt."""
    with _handled(_interrupt):
        yield


@contextmanager
def undisturbed(again: Callable[[], None]) -> Iterator[None]:
    """The block runs to its end; a signal meanwhile calls `again` and does nothing else."""
    with _handled(lambda *_: again()):
        yield


@contextmanager
def _handled(handler: Callable[..., Any]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
