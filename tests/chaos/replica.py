"""One of several processes of a service: killed, stopped, continued, started again."""

import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import psutil

from hookstream.embedded.child import Child, tail
from hookstream.embedded.ports import HOST
from tests.chaos.service import DIE_AT


class Replica:
    """`name` is such as `router-2`; each start is an incarnation of its own, `router-2#1`.

    A deliverer sends from an address of its own, so that its requests can be told from others'.
    """

    def __init__(self, service: str, number: int, folder: Path, port: int) -> None:
        self.service, self.number = service, number
        self.name = f"{service}-{number}"
        self.folder = folder / self.name
        self.folder.mkdir(parents=True)
        self.starts = 0
        self.wanted = False
        """Whether it is to be started again when it ends."""
        self.killed = False
        """Whether its next end was asked for."""
        self._port = port
        self._child = Child(self.folder, self._is_ours, self.folder / "first.log")

    @property
    def by(self) -> str:
        """The incarnation that runs now, or ran last."""
        return f"{self.name}#{self.starts}"

    @property
    def source(self) -> str:
        """The address that this incarnation's requests leave from."""
        return f"127.{100 + self.number}.{self.starts // 250}.{1 + self.starts % 250}"

    @property
    def is_running(self) -> bool:
        return self._child.is_running

    def pids(self) -> list[int]:
        """Its processes; empty when it does not run."""
        return self._child.pids()

    def start(self, env: Mapping[str, str], *, own_source: bool) -> None:
        """Start it; what an earlier incarnation left is ended first."""
        self._child.stop(signal.SIGKILL)
        (self.folder / DIE_AT).unlink(missing_ok=True)
        self.starts += 1
        self._child.log = self.folder / f"{self.starts}.log"
        self._child.claim()
        settings = {"HOOKSTREAM_PROCESS_HEALTH_PORT": str(self._port)}
        if own_source and self.service == "deliverer":
            settings["HOOKSTREAM_EGRESS_SOURCE_ADDRESS"] = self.source
        command = [sys.executable, "-m", "tests.chaos.service", self.service, str(self.folder)]
        self.killed = False
        self._child.spawn(command, {**env, **settings})
        self.wanted = True

    def is_ready(self) -> bool:
        """Whether it says so."""
        try:
            url = f"http://{HOST}:{self._port}/healthz/ready"
            with urllib.request.urlopen(url, timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send its process a signal, if it runs. SIGKILL and SIGTERM are asked for."""
        if number in {signal.SIGKILL, signal.SIGTERM}:
            self.killed = True
        if self._child.is_running:
            os.kill(self._child.pid, number)

    def die_at(self, step: str) -> None:
        """Have it kill itself when it takes this step next."""
        self.killed = True
        file = self.folder / DIE_AT
        new = file.with_suffix(".new")
        new.write_text(step)
        new.rename(file)

    def end(self, within_s: float) -> None:
        """SIGTERM, wait, then SIGKILL; it stays ended."""
        self.wanted = False
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        deadline = time.monotonic() + within_s
        while self.is_running and time.monotonic() < deadline:
            time.sleep(0.05)
        self._child.stop(signal.SIGKILL)

    def logs(self) -> dict[str, Path]:
        """The log of each incarnation."""
        return {f"{self.name}#{n}": self.folder / f"{n}.log" for n in range(1, self.starts + 1)}

    def last_words(self) -> str:
        """How it ended, its last errors, and the end of its latest log."""
        log = self._child.log
        errors = [
            line
            for line in log.read_text(errors="replace").splitlines()
            if '"level":"error"' in line
        ]
        told = "\n".join([*errors[-3:], tail(log)])
        return f"exit code {self._child.exit_code}\n{told}"

    def _is_ours(self, process: psutil.Process) -> bool:
        return process.cmdline()[-1:] == [str(self.folder)]
