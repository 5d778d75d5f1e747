"""Which ports a system listens on, all on 127.0.0.1."""

from dataclasses import dataclass, field

from hookstream.embedded.ports import HOST, free_run
from services.cli.settings import SERVICES, UpSettings


@dataclass(frozen=True)
class Ports:
    """One port for each thing that listens; `health` by service."""

    console: int
    ingest: int
    kafka: int
    postgres: int
    health: dict[str, int] = field(default_factory=dict)

    @property
    def console_url(self) -> str:
        """Where pages and management API are."""
        return f"http://{HOST}:{self.console}"

    @property
    def ingest_url(self) -> str:
        """Where events go in."""
        return f"http://{HOST}:{self.ingest}"


def fixed(settings: UpSettings, shift: int = 0) -> Ports:
    """The documented ones. The demo shifts all by 100, so that it runs beside `up`."""
    return Ports(
        console=settings.console_port + shift,
        ingest=settings.ingest_port + shift,
        kafka=settings.kafka_port + shift,
        postgres=settings.postgres_port + shift,
        health={name: settings.health_port + shift + i for i, name in enumerate(SERVICES)},
    )


def free() -> Ports:
    """Ten in a row that are free, for tests and measurements."""
    console, ingest, kafka, postgres, *health = free_run(4 + len(SERVICES))
    return Ports(console, ingest, kafka, postgres, dict(zip(SERVICES, health, strict=True)))
