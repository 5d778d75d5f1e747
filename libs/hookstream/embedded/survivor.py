"""Ends a process once its owner is gone, however the owner ended: by SIGKILL too.

A shell waits on a pipe whose other end only the owner holds: the kernel closes it with the owner.
Needs nothing but POSIX, and unlike a parent's death signal not the thread that started it.
"""

import signal
import subprocess

_WAITS = 'read -r _; kill "-$2" "$1" 2>/dev/null'


class Survivor:
    """Waits for our own end; sends process `pid` the signal then. To be closed once it has ended,
    since its number may be given to another."""

    def __init__(self, pid: int, number: signal.Signals) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _WAITS, "sh", str(pid), str(int(number))],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def close(self) -> None:
        """Wait no longer, and send nothing."""
        self._shell.kill()
        self._shell.wait()
        if self._shell.stdin:
            self._shell.stdin.close()
