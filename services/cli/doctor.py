"""`hookstream doctor`: looks at everything Hookstream stands on, and says what to do."""

import click

from hookstream.store.settings import PostgresSettings
from hookstream.stream.registry import RegistrySettings
from hookstream.stream.settings import KafkaSettings
from services.cli import findings
from services.cli.environment import read
from services.cli.findings import Finding
from services.deliverer.settings import EgressSettings

_SIGNS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


@click.command()
@click.option("--reach", metavar="URL", help="also try whether requests get to this receiver")
def command(reach: str | None) -> None:
    """Check Kafka, topics, offsets, registry, database, clocks, and the way out.

    Uses the environment that the services have. Changes nothing; to see the brokers' clock, one
    tombstone of a key that nothing has goes to config. Exit status 1 if something fails.
    """
    kafka, postgres = read(KafkaSettings), read(PostgresSettings)
    registry, egress = read(RegistrySettings), read(EgressSettings)
    failed = False
    for examination in (
        findings.kafka_cluster(kafka),
        findings.kafka_config(kafka),
        findings.kafka_clock(kafka),
        findings.registry(registry, kafka),
        findings.postgres(postgres),
        findings.egress(egress, reach),
    ):
        for found in examination:
            click.echo(_line(found))
            failed |= found.level == "fail"
    raise SystemExit(1 if failed else 0)


def _line(found: Finding) -> str:
    hint = f"\n{'':>16}→ {found.hint}" if found.hint else ""
    return f"{_SIGNS[found.level]}  {found.about:<9} {found.said}{hint}"
