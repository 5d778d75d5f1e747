"""The rights in the manifests suffice, on a Kafka that enforces them: the whole way of an event."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import psycopg
import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, KafkaException, TopicPartition
from pydantic import SecretStr

from hookstream.embedded.ports import HOST, free_port
from hookstream.process.settings import PREFIX
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import CONFIG, DEAD, DELIVERIES, EVENTS, OUTCOMES, RETRY, TIERS
from services.cli.api import Api
from services.cli.brokers import without_ours
from services.cli.main import main
from services.cli.service import Service
from services.cli.topics import apply_topics
from tests.deploy.guarded import Guarded, guarded
from tests.deploy.rights import GROUPS, ON_KAFKA
from tests.deploy.test_scaling import triggers
from tests.fixtures.kafka import produce, read_all, wait_until
from tests.fixtures.receiver import Got, Receiver

SEALING = "00112233445566778899aabbccddeeff" * 2
OPERATOR = "operator-key-of-these-tests-0123456789"
WITHIN_S = 60
DELAY_MS = 8_000
"""Long enough for a tier, also where it takes five seconds to get there."""


class Running(NamedTuple):
    """All services, each as its own user."""

    kafka: Guarded
    api: Api
    ingest: Api
    dsn: str
    retry_health: int

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What Postgres answers."""
        with psycopg.connect(self.dsn, connect_timeout=10) as connection:
            return connection.execute(query.encode()).fetchall()


def as_user(kafka: Guarded, user: str) -> KafkaSettings:
    """Where Kafka is, for a client that says it is this user."""
    told = {name.removeprefix("KAFKA_").lower(): v for name, v in kafka.variables(user).items()}
    password = SecretStr(told.pop("sasl_password"))
    return KafkaSettings.model_validate({**told, "sasl_password": password})


@pytest.fixture(scope="module")
def kafka() -> Iterator[Guarded]:
    """A broker with the rights of the small overlay, and the topics on it, made by their job."""
    with guarded("small") as made:
        assert apply_topics(as_user(made, "hookstream-topics"), 4, 1, 1) == []
        assert apply_topics(as_user(made, "hookstream-topics"), 4, 1, 1) == []
        yield made


@pytest.fixture
def running(kafka: Guarded, database: str, system_folder: Path) -> Iterator[Running]:
    """Services started with the variables that the manifests give them; console's API."""
    ports = {name: free_port() for name in ("console", "ingest", "health")}
    each = {
        "SEAL_KEYS": SEALING,
        "POSTGRES_DSN": database,
        "CONSOLE_OPERATOR_KEY": OPERATOR,
        "CONSOLE_PORT": str(ports["console"]),
        "CONSOLE_PUBLISH_WAIT_S": "10",
        "INGEST_PORT": str(ports["ingest"]),
        "DELIVERER_PUBLIC_URL": f"http://{HOST}:{ports['ingest']}",
        "EGRESS_ALLOW": "127.0.0.0/8",
        "KAFKA_TOPIC_PREFIX": kafka.inside.topic_prefix,
        "KAFKA_GROUP_PREFIX": kafka.inside.group_prefix,
    }
    with ExitStack() as stack:
        services = [
            _service(kafka, name, each, system_folder, ports["health"] if name == "retry" else 0)
            for name in (*ON_KAFKA, "console")
        ]
        for service in services:
            stack.callback(service.stop, 30)
            service.spawn()
        for service in services:
            service.wait_until_ready(WITHIN_S)
        key = _workspace(f"http://{HOST}:{ports['console']}")
        api = stack.enter_context(Api(f"http://{HOST}:{ports['console']}", key))
        ingest = stack.enter_context(Api(f"http://{HOST}:{ports['ingest']}", key))
        yield Running(kafka, api, ingest, database, ports["health"])


def _service(kafka: Guarded, name: str, each: dict[str, str], folder: Path, health: int) -> Service:
    """One service with the name and password of its own user."""
    told = each | ({} if name == "console" else kafka.variables(f"hookstream-{name}"))
    env = without_ours() | {f"{PREFIX}{variable}": value for variable, value in told.items()}
    return Service(name, folder, health or free_port(), env)


def _workspace(console: str) -> str:
    with Api(console, OPERATOR) as operator:
        operator.post("/v1/workspaces", {"id": "acl", "name": "acl"})
        key: str = operator.post("/v1/workspaces/acl/keys", {"name": "t", "role": "admin"})["key"]
        return key


def fails_once(_: Got, before: int) -> tuple[int, dict[str, str]]:
    return (500 if before == 0 else 200), {}


def test_services_do_all_their_work_with_the_rights_of_the_manifests(
    running: Running, receiver: Receiver
) -> None:
    """A failure, a tier, a test event, a callback, a dead letter: every topic is written."""
    receiver.rule = fails_once
    schedule = {"kind": "list", "delays_ms": [DELAY_MS]}
    policy = running.api.post("/v1/policies", {"name": "soon", "schedule": schedule})["id"]
    body = {"name": "w", "url": receiver.url + "/w", "policy": policy}
    webhook = running.api.post("/v1/webhooks", body)["id"]
    sent = running.ingest.post("/v1/events", {"type": "a.b", "data": {"n": 1}})["id"]
    running.api.post(f"/v1/webhooks/{webhook}/test", {})
    produce(running.kafka.inside, EVENTS, (b"x", b"no event at all"))
    wait_until(lambda: receiver.ids("/w").count(sent) == 2, WITHIN_S)
    wait_until(lambda: _states(running.api).get(sent) == "succeeded", WITHIN_S)
    wait_until(lambda: running.rows("SELECT 1 FROM dead WHERE reason = 'undecodable'"), WITHIN_S)
    # Two read events, each on its own: router and status.
    wait_until(lambda: len(read_all(running.kafka.inside, DEAD)) == 2, WITHIN_S)
    for topic in (CONFIG, EVENTS, DELIVERIES, OUTCOMES, RETRY):
        assert read_all(running.kafka.inside, topic), topic
    assert any(read_all(running.kafka.inside, tier) for tier in TIERS)
    with urlopen(f"http://{HOST}:{running.retry_health}/metrics", timeout=20) as page:
        measured = page.read().decode()
    env = {
        f"{PREFIX}{name}": v for name, v in running.kafka.variables("hookstream-operator").items()
    }
    shown = CliRunner().invoke(main, ["offsets"], env=env)
    assert shown.exit_code == 0, shown.output
    assert {line.split()[0] for line in shown.output.splitlines()} >= set.union(*GROUPS.values())
    (scaling,) = triggers("retry", "prometheus")
    assert re.findall(r"hookstream_\w+", scaling["query"])[0] in measured


def _states(api: Api) -> dict[str, str]:
    return {d["event"]: d["state"] for d in api.get("/v1/log/deliveries")["items"]}


def test_a_user_may_do_nothing_beside(kafka: Guarded) -> None:
    """The broker does enforce: else the test above would show nothing."""
    with pytest.raises(KafkaException, match="AUTHORIZATION_FAILED"):
        apply_topics(
            as_user(kafka, "hookstream-router").model_copy(update={"topic_prefix": "other."}), 1, 1
        )


def test_the_group_of_those_who_only_look_may_be_described(kafka: Guarded) -> None:
    """A client asks for its group's coordinator though it joins none: without the right the
    broker's log would tell of a denial each second."""
    user = as_user(kafka, "hookstream-retry")
    table, tail = (_looking(user, group) for group in ("table", "tail"))
    try:
        wait_until(lambda: _denied(tail), WITHIN_S)
        assert not _denied(table)
    finally:
        table.close()
        tail.close()


def _looking(kafka: KafkaSettings, group: str) -> Consumer:
    own = {"group.id": kafka.group_prefix + group, "session.timeout.ms": 6_000}
    looking = Consumer(kafka.client("tests") | own)
    looking.assign([TopicPartition(kafka.topic(CONFIG), 0, 0)])
    return looking


def _denied(consumer: Consumer) -> bool:
    errors = [message.error() for message in consumer.consume(1_000, 0.5)]
    return any(error and error.name() == "GROUP_AUTHORIZATION_FAILED" for error in errors)
