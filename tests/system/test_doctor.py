"""`hookstream doctor`: what is well, and for what is not, what would do."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from hookstream.embedded.ports import free_port
from hookstream.embedded.postgres import EmbeddedPostgres
from hookstream.store.migrate import migrate
from hookstream.stream.condition import cluster
from hookstream.stream.settings import KafkaSettings
from services.cli.findings import sessions
from services.cli.main import main
from tests.fixtures.kafka import delete_topics

Doctor = Callable[..., Result]


@pytest.fixture
def doctor(kafka: KafkaSettings, postgres: EmbeddedPostgres) -> Doctor:
    """Calls `hookstream doctor` in the environment of a system that is well."""
    dsn = postgres.create_database(f"doctor{uuid4().hex[:8]}")
    migrate(dsn)
    env = {
        "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HOOKSTREAM_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
        "HOOKSTREAM_KAFKA_GROUP_PREFIX": kafka.group_prefix,
        "HOOKSTREAM_POSTGRES_DSN": dsn,
    }
    return lambda *words, **more: CliRunner().invoke(main, ["doctor", *words], env=env | more)


def test_what_is_well_is_said_and_the_exit_status_is_0(doctor: Doctor) -> None:
    found = doctor()
    assert found.exit_code == 0, found.output
    for said in ("all 18 are there", "Kafka's agrees", "PostgreSQL's agrees", "public addresses"):
        assert said in found.output, found.output
    assert "FAIL" not in found.output


def test_missing_topics_and_tables_are_told_with_the_command_that_makes_them(
    doctor: Doctor, kafka: KafkaSettings, postgres: EmbeddedPostgres
) -> None:
    delete_topics(kafka)
    empty = postgres.create_database(f"doctor{uuid4().hex[:8]}")
    found = doctor(HOOKSTREAM_POSTGRES_DSN=empty)
    assert found.exit_code == 1
    assert "missing: events, deliveries" in found.output
    assert "→ hookstream topics apply" in found.output
    assert "→ hookstream migrate" in found.output


def test_who_is_away_is_told_with_the_setting_that_names_it(doctor: Doctor) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    found = doctor(
        HOOKSTREAM_POSTGRES_DSN=f"postgresql://{nobody}/x",
        HOOKSTREAM_REGISTRY_URL=f"http://{nobody}",
    )
    assert found.exit_code == 1
    assert "→ check HOOKSTREAM_POSTGRES_DSN" in found.output
    assert "WARN  registry" in found.output


def test_the_way_out_is_tried_with_the_guard_that_requests_meet(
    doctor: Doctor, kafka: KafkaSettings
) -> None:
    broker = f"http://{kafka.bootstrap_servers}/"
    refused = doctor("--reach", broker)
    assert refused.exit_code == 1
    assert "127.0.0.1 is not public: refused" in refused.output
    allowed = doctor("--reach", broker, HOOKSTREAM_EGRESS_ALLOW="127.0.0.0/8")
    assert allowed.exit_code == 0, allowed.output
    assert "127.0.0.1 is reached" in allowed.output
    assert "requests may go to 127.0.0.0/8 too" in allowed.output


def test_sessions_that_a_brokers_death_would_end_are_told_with_both_ways_out(
    kafka: KafkaSettings,
) -> None:
    noticed_ms = cluster(kafka).broker_session_ms
    assert noticed_ms == 5_000, "what the embedded broker is given, read from the broker"
    assert list(sessions(3, noticed_ms, 10_000)) == []
    (found,) = sessions(3, noticed_ms, 6_000)
    assert (found.level, "6000 ms" in found.said) == ("warn", True)
    assert "broker.session.timeout.ms to 1000" in found.hint
    assert "HOOKSTREAM_KAFKA_SESSION_TIMEOUT_MS to 10000" in found.hint
    assert [len(list(sessions(3, ms, 10_000))) for ms in (5_001, 9_000, 18_000)] == [1, 1, 1]
    assert list(sessions(1, 9_000, 10_000)) == [], "alone, it counts sessions anew when it is back"
    assert list(sessions(3, None, 10_000)) == []
