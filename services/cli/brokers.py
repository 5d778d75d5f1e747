"""Kafka and PostgreSQL of a system: embedded, or those whose addresses the settings give."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.postgres import EmbeddedPostgres
from services.cli.ports import Ports

KAFKA_ADDRESS = "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS"
POSTGRES_ADDRESS = "HOOKSTREAM_POSTGRES_DSN"


class Brokers:
    """What runs beside the services. `kafka`: more arguments of `EmbeddedKafka`."""

    def __init__(
        self, data_dir: Path, ports: Ports, given: Mapping[str, str], kafka: Mapping[str, Any]
    ) -> None:
        self.kafka: EmbeddedKafka | None = None
        self.postgres: EmbeddedPostgres | None = None
        if not given.get(KAFKA_ADDRESS):
            self.kafka = EmbeddedKafka(
                data_dir / "kafka",
                port=ports.kafka,
                port_setting="HOOKSTREAM_UP_KAFKA_PORT",
                **kafka,
            )
        if not given.get(POSTGRES_ADDRESS):
            self.postgres = EmbeddedPostgres(
                data_dir / "postgres",
                port=ports.postgres,
                port_setting="HOOKSTREAM_UP_POSTGRES_PORT",
            )

    def start(self) -> dict[str, str]:
        """Their addresses as settings, of those that are embedded. EmbeddedError if one fails."""
        addresses = {}
        if self.kafka:
            self.kafka.start()
            addresses[KAFKA_ADDRESS] = self.kafka.bootstrap_servers
        if self.postgres:
            self.postgres.start()
            addresses[POSTGRES_ADDRESS] = self.postgres.create_database("hookstream")
        return addresses

    def stop(self) -> None:
        """Nothing of them runs afterwards; may be repeated."""
        for server in (self.postgres, self.kafka):
            if server:
                server.stop()

    def pids(self) -> dict[str, list[int]]:
        """Processes by name, of those that are embedded."""
        servers = {"kafka": self.kafka, "postgres": self.postgres}
        return {name: server.pids() for name, server in servers.items() if server}


def without_ours(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment without Hookstream's settings: for systems that must not take them over."""
    return {name: value for name, value in environ.items() if not name.startswith("HOOKSTREAM_")}
