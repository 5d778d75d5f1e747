"""One service as a process of a system: started, watched, restarted, ended."""

import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from hookstream.embedded.child import Child, EmbeddedError, tail
from hookstream.embedded.ports import HOST
from services.cli.folder import FOLDER_SETTING, runs

READY_S = 40.0
_POLL_S = 0.05
_PROBE_S = 1.0


class Service:
    """`hookstream <name>` with these settings. Its output goes to `logs/<name>.log`."""

    def __init__(self, name: str, data_dir: Path, health_port: int, env: Mapping[str, str]) -> None:
        """`env` is read at each start."""
        self.name = name
        self.wanted = False
        """Whether it should be running now."""
        self._folder = data_dir
        self._health_port = health_port
        self._env = env
        self._log = data_dir / "logs" / f"{name}.log"
        run = data_dir / "run" / name
        run.mkdir(parents=True, exist_ok=True)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._child = Child(run, lambda process: runs(process, name, data_dir), self._log)

    def pids(self) -> list[int]:
        """Its processes; empty when it does not run."""
        return self._child.pids()

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._child.is_running

    def spawn(self) -> None:
        """Start it, what a dead owner left behind ended first; the log before is kept as .1."""
        self._child.stop()
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.1"))
        self._child.claim()
        command = [sys.executable, "-m", "services.cli.main", self.name]
        own = {
            FOLDER_SETTING: str(self._folder),
            "HOOKSTREAM_PROCESS_HEALTH_PORT": str(self._health_port),
        }
        self._child.spawn(command, {**self._env, **own}, cwd="/")
        self.wanted = True

    def wait_until_ready(self, within_s: float = READY_S) -> None:
        """EmbeddedError with the end of its log if it ends, or is not ready in time."""
        deadline = monotonic() + within_s
        while not self.is_ready():
            if not self.is_running:
                raise EmbeddedError(f"{self.name} ended while it started:\n{tail(self._log)}")
            if monotonic() > deadline:
                raise EmbeddedError(
                    f"{self.name} was not ready within {within_s:.0f} s ({self._why()}):\n"
                    f"{tail(self._log)}"
                )
            sleep(_POLL_S)

    def is_ready(self) -> bool:
        """Whether it says so."""
        return self._asked()[0] == 200

    def signal(self, number: signal.Signals) -> None:
        """Send its first process a signal, if there is one."""
        if self.is_running:
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, number)

    def stop(self, within_s: float) -> None:
        """SIGTERM, wait, then kill. Nothing of it runs afterwards."""
        self.wanted = False
        self.signal(signal.SIGTERM)
        deadline = monotonic() + within_s
        while self.is_running and monotonic() < deadline:
            sleep(_POLL_S)
        self._child.stop(signal.SIGKILL)

    def last_words(self) -> str:
        """The end of its log."""
        return tail(self._log)

    def _why(self) -> str:
        return self._asked()[1] or "it does not answer"

    def _asked(self) -> tuple[int, str]:
        url = f"http://{HOST}:{self._health_port}/healthz/ready"
        try:
            with urllib.request.urlopen(url, timeout=_PROBE_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""
