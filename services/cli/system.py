"""A whole Hookstream on this machine: brokers, topics, tables, and one process a service.

`hookstream up`, the demo, the system tests and the bench are the same `System` with other ports,
folders and settings. Whatever comes, nothing it started outlives it.
"""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Any, Self

from hookstream.embedded.ports import free_port, require_free
from hookstream.process.settings import Environment
from hookstream.store.migrate import migrate
from hookstream.store.settings import PostgresSettings
from hookstream.stream.settings import KafkaSettings
from services.cli.brokers import Brokers
from services.cli.folder import Folder
from services.cli.keeper import Keeper
from services.cli.kept_keys import kept_key
from services.cli.ports import Ports
from services.cli.service import Service
from services.cli.settings import SERVICES, known
from services.cli.signals import undisturbed
from services.cli.topics import apply_topics

STOP_S = 27.0
"""What services get to end what they have begun: their own budget, and a little."""


class System:
    """As a context manager it is started and, whatever comes, stopped.

    environ: the environment of the services; settings in it win over ours (an address of Kafka or
    of PostgreSQL means that none is started). services: which of them are started.
    partitions: of topics that are not there yet; few, since each request to the broker is of one.
    restart: whether a service that ends is started again. tell: gets a line for each step.
    kafka: more arguments of `EmbeddedKafka`.
    """

    def __init__(
        self,
        data_dir: Path,
        ports: Ports,
        *,
        environ: Mapping[str, str] = os.environ,
        services: Sequence[str] = SERVICES,
        partitions: int = 4,
        restart: bool = True,
        kafka: Mapping[str, Any] | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.folder = Folder(self.data_dir)
        self.ports = ports
        self.keeper: Keeper | None = None
        self.services: dict[str, Service] = {}
        self._given = dict(environ)
        self._names = services
        self._partitions = partitions
        self._restart = restart
        self._tell = tell
        self._brokers = Brokers(self.data_dir, ports, environ, kafka or {})
        self._env: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return when all is ready. EmbeddedError or SettingsError says what went wrong."""
        with ExitStack() as undo:
            undo.callback(self.stop)
            self.folder.claim(SERVICES)
            self._env.update(self._own_settings() | self._given)
            Environment(self._env, known())  # a mistyped name: before anything is started
            self._check_ports()
            self._start_brokers()
            self._start_services()
            undo.pop_all()

    def stop(self) -> None:
        """Services first, so that they can finish, then brokers. Bounded; may be repeated."""
        with undisturbed(self.kill_all):
            if self.keeper:
                self.keeper.close()
            for service in self.services.values():
                service.wanted = False
                service.signal(signal.SIGTERM)
            deadline = monotonic() + STOP_S
            for service in self.services.values():
                service.stop(max(0.0, deadline - monotonic()))
            self._brokers.stop()
            self.folder.release()

    def kill_all(self) -> None:
        """End all services at once: what they were doing is repeated after the next start."""
        for service in self.services.values():
            service.signal(signal.SIGKILL)

    @property
    def environment(self) -> Environment:
        """What the services read their settings from."""
        return Environment(self._env, known())

    @property
    def kafka(self) -> KafkaSettings:
        """Where Kafka is, for clients of this system."""
        return self.environment.read(KafkaSettings)

    @property
    def operator_key(self) -> str:
        """Makes workspaces and keys in the console."""
        return self._env["HOOKSTREAM_CONSOLE_OPERATOR_KEY"]

    def pids(self) -> dict[str, list[int]]:
        """All processes by name: services, `kafka` and `postgres`."""
        return {s.name: s.pids() for s in self.services.values()} | self._brokers.pids()

    def kill(self, service: str) -> None:
        """`kill -9` of a service. It starts again, unless the system was made not to."""
        self.services[service].signal(signal.SIGKILL)

    def stop_service(self, service: str) -> None:
        """End one service, and leave it ended."""
        with self._keeper_held():
            self.services[service].stop(STOP_S)

    def start_service(self, service: str) -> None:
        """Start one service that was ended, and wait until it is ready."""
        with self._keeper_held():
            self.services[service].spawn()
        self.services[service].wait_until_ready()

    def another(self, service: str, number: int) -> Service:
        """A further process of a service, not started: with a folder and a port of its own."""
        folder = self.data_dir / f"{service}-{number}"
        return Service(service, folder, free_port(), self._env)

    def _keeper_held(self) -> ExitStack:
        held = ExitStack()
        if self.keeper:
            held.enter_context(self.keeper.lock)
        return held

    def _own_settings(self) -> dict[str, str]:
        return {
            "HOOKSTREAM_SEAL_KEYS": kept_key(self.data_dir / "keys", "sealing"),
            "HOOKSTREAM_CONSOLE_OPERATOR_KEY": kept_key(self.data_dir / "keys", "operator"),
            "HOOKSTREAM_CONSOLE_PORT": str(self.ports.console),
            "HOOKSTREAM_INGEST_PORT": str(self.ports.ingest),
            "HOOKSTREAM_DELIVERER_PUBLIC_URL": self.ports.ingest_url,
            "HOOKSTREAM_EGRESS_ALLOW": "127.0.0.0/8",
        }

    def _check_ports(self) -> None:
        used = {"console": self.ports.console, "ingest": self.ports.ingest}
        for name in self._names:
            if name in used:
                require_free(used[name], f"HOOKSTREAM_UP_{name.upper()}_PORT")
            require_free(self.ports.health[name], "HOOKSTREAM_UP_HEALTH_PORT")

    def _start_brokers(self) -> None:
        self._tell("Kafka and PostgreSQL start")
        self._env.update(self._brokers.start())
        for line in apply_topics(self.kafka, self._partitions, min(4, self._partitions)):
            self._tell(f"differs: {line}")
        migrate(self.environment.read(PostgresSettings).dsn.get_secret_value())

    def _start_services(self) -> None:
        self._tell(f"{', '.join(self._names)} start")
        health = self.ports.health
        self.services = {n: Service(n, self.data_dir, health[n], self._env) for n in self._names}
        for service in self.services.values():
            service.spawn()
        for service in self.services.values():
            service.wait_until_ready()
        if self._restart:
            self.keeper = Keeper(list(self.services.values()), self._tell)

    def failed(self) -> str | None:
        """Why a service cannot be kept up; None while all is well."""
        return self.keeper.reason if self.keeper and self.keeper.failed.is_set() else None
