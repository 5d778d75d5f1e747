"""All processes of a system with two of everything that can be two, kept running."""

import signal
import socket
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from hookstream.embedded.child import EmbeddedError
from hookstream.embedded.ports import HOST, free_run
from tests.chaos.evidence import Death
from tests.chaos.plan import REPLICATED
from tests.chaos.replica import Replica

ALONE = ("ingest", "console")
LOOK_S = 0.05
PAUSE_S = 0.5
"""From a process's end to its next start."""
READY_S = 120.0
STOP_S = 20.0


class Crew:
    """Starts all, starts again what ends, and notes who ended when."""

    def __init__(self, folder: Path, env: Mapping[str, str], two_of: Collection[str]) -> None:
        names = [(name, 1) for name in ALONE]
        names += [(name, number) for name in REPLICATED for number in (1, 2, 3)]
        ports = free_run(len(names))
        made = [Replica(*name, folder, port) for name, port in zip(names, ports, strict=True)]
        self.replicas = {replica.name: replica for replica in made}
        self._all = made
        self.deaths: list[Death] = []
        self.by_source: dict[str, str] = {}
        """Address that requests come from -> incarnation; empty where all come from one."""
        self._env = env
        self._two_of = two_of
        self._own_sources = _can_bind("127.101.0.1")
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._watcher = threading.Thread(target=self._watch, name="crew", daemon=True)

    def start(self) -> None:
        """Return when the first ones, and the second where two run, are ready. EmbeddedError says
        who is not."""
        most = {replica: 2 if replica.service in self._two_of else 1 for replica in self._all}
        first = [replica for replica in self._all if replica.number <= most[replica]]
        for replica in first:
            self.spawn(replica)
        deadline = time.monotonic() + READY_S
        for replica in first:
            while not replica.is_ready():
                if time.monotonic() > deadline or not replica.is_running:
                    raise EmbeddedError(f"{replica.name} is not ready:\n{replica.last_words()}")
                time.sleep(LOOK_S)
        self._watcher.start()

    def stop(self) -> None:
        """End all: asked first, so that each closes what it has; nothing runs afterwards."""
        self._over.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for replica in self.replicas.values():
            replica.wanted = False
            replica.signal(signal.SIGCONT)
            replica.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for replica in self.replicas.values():
            replica.end(max(0.0, deadline - time.monotonic()))

    def find(self, target: str) -> Replica:
        """By name; `ingest` and `console` are the only ones of their kind."""
        return self.replicas.get(target) or self.replicas[f"{target}-1"]

    def spawn(self, replica: Replica) -> None:
        """Start it, and know its requests by their address."""
        with self._lock:
            replica.start(self._env, own_source=self._own_sources)
            if self._own_sources and replica.service == "deliverer":
                self.by_source[replica.source] = replica.by

    def pids(self) -> dict[str, list[int]]:
        """Processes by name."""
        return {name: replica.pids() for name, replica in self.replicas.items()}

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            for replica in self.replicas.values():
                if replica.wanted and not replica.is_running:
                    self._bury(replica)

    def _bury(self, replica: Replica) -> None:
        words = "" if replica.killed else replica.last_words()
        self.deaths.append(Death(replica.by, time.time_ns(), replica.killed, words))
        if not self._over.wait(PAUSE_S) and replica.wanted:
            self.spawn(replica)


def _can_bind(address: str) -> bool:
    """Whether all of 127/8 is this machine, as on Linux."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return HOST.startswith("127.")
