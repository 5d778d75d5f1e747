"""A server process that belongs to us: started in a session of its own, ended for sure.

A session of its own keeps Ctrl-C in the terminal from reaching it before its owner has drained.
The price: it would outlive an owner that is killed, so a survivor of the owner ends it
(`survivor.py`). Where that is killed too, the folder's `owner` file helps: the next start there
ends what a dead owner left behind, and refuses while the owner lives.
"""

import json
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil

from hookstream.embedded.survivor import Survivor

STOP_S = 10.0
TAIL_LINES = 25


class EmbeddedError(RuntimeError):
    """An embedded server cannot be had; the text says why and what would do."""


class Child:
    """One process and what it starts. `is_ours` knows such a process by what it runs and where."""

    def __init__(self, folder: Path, is_ours: Callable[[psutil.Process], bool], log: Path) -> None:
        self.log = log
        self._owner_file = folder / "owner"
        self._is_ours = is_ours
        self._process: subprocess.Popen[bytes] | None = None
        self._survivor: Survivor | None = None

    @property
    def pid(self) -> int:
        """Its process id. EmbeddedError if it was not started."""
        if self._process is None:
            raise EmbeddedError("not started")
        return self._process.pid

    def pids(self) -> list[int]:
        """It and all below it; empty once it has ended."""
        if self._process is None or not self.is_running:
            return []
        return [process.pid for process in _tree(self._process.pid)]

    @property
    def is_running(self) -> bool:
        """Whether it runs. Asks for one process alone; `pids` looks through all there are."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended: negative, the signal; None while it runs or before it was started."""
        return self._process.poll() if self._process is not None else None

    def claim(self) -> None:
        """Make the folder ours: end leftovers of a dead owner, EmbeddedError if it is alive."""
        if self._process is not None:
            raise EmbeddedError(f"started already, as process {self._process.pid}: stop it first")
        if (owner := self._owner()) is not None:
            raise EmbeddedError(f"{self._owner_file.parent} is in use by process {owner.pid}")
        end(self._leftovers())
        me = psutil.Process()
        self._owner_file.write_text(json.dumps({"pid": me.pid, "since": me.create_time()}))

    def spawn(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        orphaned: signal.Signals = signal.SIGTERM,
        **how: Any,
    ) -> None:
        """Start it, with its output in the log, written anew. The folder was claimed before.

        `orphaned`: what it is sent when we are gone without having stopped it.
        """
        with self.log.open("wb") as output:
            self._process = self._popen(command, env, output, how)
        self._survivor = Survivor(self._process.pid, orphaned)

    @staticmethod
    def _popen(
        command: Sequence[str], env: Mapping[str, str], output: IO[bytes], how: Mapping[str, Any]
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **how,
        )

    def stop(self, polite: signal.Signals = signal.SIGTERM) -> None:
        """Ask, wait ten seconds, then kill. Nothing of it remains; may be repeated."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(polite)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
            kill(self._leftovers())
            self._process.wait()
            self._process = None
            if self._survivor:
                self._survivor.close()
            self._owner_file.unlink(missing_ok=True)

    def _owner(self) -> psutil.Process | None:
        """The living process that uses the folder, if there is one."""
        try:
            noted = json.loads(self._owner_file.read_text())
            process = psutil.Process(noted["pid"])
            same = abs(process.create_time() - noted["since"]) < 2  # else the number was used anew
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, KeyError, TypeError, psutil.Error):
            return None

    def _leftovers(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._knows(process)]

    def _knows(self, process: psutil.Process) -> bool:
        try:
            return self._is_ours(process)
        except psutil.Error:  # gone meanwhile, or somebody else's
            return False


def end(processes: Sequence[psutil.Process]) -> None:
    """Ask these to end, wait ten seconds, then kill."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(processes, STOP_S)
    kill(alive)


def kill(processes: Sequence[psutil.Process]) -> None:
    """Kill these and wait until they are gone."""
    for process in processes:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(processes, STOP_S)


def tail(log: Path) -> str:
    """The last lines of a log; empty without one."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
