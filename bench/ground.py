"""What all stages of one run share: Kafka, PostgreSQL, the receiver, a folder."""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from bench import certificate
from bench.receiver import Receiver
from hookstream.embedded.kafka import SERVER_JVM
from hookstream.stream.admin import forget_clients
from services.cli.brokers import KAFKA_ADDRESS, POSTGRES_ADDRESS, Brokers, without_ours
from services.cli.ports import free

KAFKA = {"heap_mb": 1024, "jvm": (*SERVER_JVM, "-Xms1g")}
"""As it runs in production: what is measured comes after a warm-up."""


class Ground:
    """As a context manager all is started and, whatever comes, stopped and deleted."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.folder = Path(tempfile.mkdtemp(prefix="hookstream-bench-"))
        self.folder.chmod(0o755)
        self._certificate = certificate.make(self.folder)
        self.receiver = Receiver(self._certificate)
        self._brokers = Brokers(self.folder, free(), {}, KAFKA)
        self._addresses: dict[str, str] = {}
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
            undo.enter_context(self.receiver)
            undo.callback(self._brokers.stop)
            self.tell("Kafka and PostgreSQL start")
            self._addresses = self._brokers.start()
            undo.callback(forget_clients)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    @property
    def servers(self) -> str:
        """Where Kafka is."""
        return self._addresses[KAFKA_ADDRESS]

    def environ(self, name: str) -> dict[str, str]:
        """Settings of a system of that name: its own topics, groups and database."""
        postgres = self._brokers.postgres
        if postgres is None:
            raise RuntimeError("the bench has a PostgreSQL of its own")
        return without_ours() | {
            KAFKA_ADDRESS: self.servers,
            POSTGRES_ADDRESS: postgres.create_database(f"bench_{name.replace('-', '_')}"),
            "HOOKSTREAM_KAFKA_TOPIC_PREFIX": f"{name}.",
            "HOOKSTREAM_KAFKA_GROUP_PREFIX": f"{name}.",
            "HOOKSTREAM_CONSOLE_PUBLISH_WAIT_S": "25",
            "SSL_CERT_FILE": str(self._certificate.cert),
        }

    def pids(self) -> dict[str, list[int]]:
        """Processes of `kafka` and `postgres`."""
        return self._brokers.pids()
