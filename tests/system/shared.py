"""A whole system for the tests of one file: on the session's brokers, with names of its own.

@pytest.fixture(scope="module")
def running(broker: EmbeddedKafka, postgres: EmbeddedPostgres) -> Iterator[Shared]:
    with shared(broker, postgres) as system:
        yield system
"""

import itertools
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import psycopg
from confluent_kafka import Consumer, KafkaError, TopicPartition

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.postgres import EmbeddedPostgres
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import topics
from services.cli.brokers import KAFKA_ADDRESS, POSTGRES_ADDRESS, without_ours
from services.cli.ports import free
from services.cli.settings import SERVICES
from services.cli.system import System
from tests.fixtures.kafka import delete_topics, wait_until

QUICK = {
    "name": "quick",
    "deadline_ms": 20_000,
    "schedule": {"kind": "list", "delays_ms": [200, 300]},
}
"""A policy whose retries come within a second."""
_numbers = itertools.count(1)


class Raw(NamedTuple):
    """One record as its bytes stand on a topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    @property
    def bytes(self) -> bytes:
        """All of it."""
        parts = [self.key or b"", self.value or b""]
        return b"\0".join([*parts, *(part for n, v in self.headers for part in (n.encode(), v))])


class Tenant:
    """One workspace of the system, spoken to with one of its keys."""

    def __init__(self, console_url: str, ingest_url: str, workspace: str, key: str) -> None:
        self.workspace, self.key = workspace, key
        auth = {"authorization": f"Bearer {key}"}
        self._console = httpx2.Client(
            base_url=console_url, headers=auth, timeout=90, trust_env=False
        )
        self._ingest = httpx2.Client(base_url=ingest_url, headers=auth, timeout=90, trust_env=False)

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """One request to the management API, whatever it answers."""
        return self._console.request(method, path, json=body, headers=dict(headers or {}))

    def get(self, path: str) -> Any:
        """What a GET that must succeed answered."""
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        """What a POST answered, which has this status."""
        answer = self.call("POST", path, body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def webhook(self, url: str, **more: Any) -> dict[str, Any]:
        """A new webhook; it is on the topic, and verified where its policy wants that."""
        made: dict[str, Any] = self.post("/v1/webhooks", {"url": url, **more})
        if made["state"] != "unverified":
            return made
        return made | self.in_state(made["id"], "active") | {"secret": made["secret"]}

    def in_state(self, webhook: str, state: str) -> dict[str, Any]:
        """The webhook once it is in this state, on the topic too."""
        found: dict[str, Any] = {}

        def there() -> bool:
            found.update(self.get(f"/v1/webhooks/{webhook}"))
            return found["state"] == state and not found["publishing"]

        try:
            wait_until(there, 60)
        except AssertionError as error:
            raise AssertionError(f"{found['state']}: {found['state_reason']}") from error
        return found

    def publish(self, body: bytes, **headers: str) -> httpx2.Response:
        """One request to ingest, whatever it answers."""
        return self._ingest.post("/v1/events", content=body, headers=headers)

    def send(self, type_: str, data: str = "{}", **headers: str) -> str:
        """Publish an event; its id."""
        answer = self.publish(f'{{"type":"{type_}","data":{data}}}'.encode(), **headers)
        assert answer.status_code == 202, answer.text
        sent: str = answer.json()["id"]
        return sent

    def deliveries(self, event: str) -> list[dict[str, Any]]:
        """The deliveries of an event that the log shows; none while it does not know the event."""
        answer = self.call("GET", f"/v1/log/events/{event}")
        return list(answer.json()["deliveries"]) if answer.status_code == 200 else []

    def attempts(self, delivery: str) -> list[dict[str, Any]]:
        """All requests of a delivery, oldest first."""
        return list(self.get(f"/v1/log/deliveries/{delivery}/attempts")["items"])

    def close(self) -> None:
        """Let its connections go."""
        self._console.close()
        self._ingest.close()


class Shared:
    """A started system, and ways to look at all it keeps."""

    def __init__(self, system: System, dsn: str) -> None:
        self.system, self.dsn = system, dsn
        self._tenants: list[Tenant] = []

    @property
    def kafka(self) -> KafkaSettings:
        """Where its topics are."""
        return self.system.kafka

    def tenant(self, workspace: str = "", role: str = "admin", **more: Any) -> Tenant:
        """A new workspace (`more`: its other fields), or one more key of an old one."""
        operator = self.operator()
        if not workspace:
            workspace = f"ws-{next(_numbers)}"
            operator.post("/v1/workspaces", {"id": workspace, "name": workspace, **more})
        made = operator.post(f"/v1/workspaces/{workspace}/keys", {"role": role})
        return self._spoken_to(workspace, made["key"])

    def operator(self) -> Tenant:
        """Who makes workspaces."""
        return self._spoken_to("", self.system.operator_key)

    def raw(self, *names: str) -> list[Raw]:
        """Every record of these topics, or of all, as bytes."""
        return raw_records(self.kafka, names or [topic.name for topic in topics()])

    def tables(self) -> dict[str, bytes]:
        """table -> every value of it, as bytes and as Postgres writes them."""
        return {name: _table(self.dsn, name) for name in _tables(self.dsn)}

    def logs(self) -> dict[str, bytes]:
        """file -> what the services have logged."""
        return {path.name: path.read_bytes() for path in (self.system.data_dir / "logs").iterdir()}

    def close(self) -> None:
        """Let all connections go."""
        for tenant in self._tenants:
            tenant.close()

    def _spoken_to(self, workspace: str, key: str) -> Tenant:
        ports = self.system.ports
        self._tenants.append(Tenant(ports.console_url, ports.ingest_url, workspace, key))
        return self._tenants[-1]


@contextmanager
def shared(
    broker: EmbeddedKafka,
    postgres: EmbeddedPostgres,
    services: Sequence[str] = SERVICES,
    **settings: str,
) -> Iterator[Shared]:
    """A started system; `settings` are variables. Nothing of it is left afterwards."""
    name = f"shared{next(_numbers)}"
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="hookstream-shared-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        environ = without_ours() | {
            KAFKA_ADDRESS: broker.bootstrap_servers,
            POSTGRES_ADDRESS: postgres.create_database(name),
            "HOOKSTREAM_KAFKA_TOPIC_PREFIX": f"{name}.",
            "HOOKSTREAM_KAFKA_GROUP_PREFIX": f"{name}.",
            "HOOKSTREAM_CONSOLE_PUBLISH_WAIT_S": "25",
            **settings,
        }
        stack.callback(postgres.drop_database, name)
        system = System(folder, free(), environ=environ, services=services, partitions=4)
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, topic_prefix=f"{name}.")
        stack.callback(delete_topics, kafka)
        stack.enter_context(system)
        running = Shared(system, environ[POSTGRES_ADDRESS])
        stack.callback(running.close)
        yield running


def raw_records(kafka: KafkaSettings, names: Sequence[str]) -> list[Raw]:
    """Every record of these topics; those that compaction has removed are not missed."""
    reader = Consumer(
        kafka.client("tests")
        | {"group.id": f"{kafka.group_prefix}raw", "enable.partition.eof": True}
        | {"fetch.wait.max.ms": 10}
    )
    try:
        there = reader.list_topics(timeout=10).topics
        wanted = {kafka.topic(name): name for name in names}
        parts = [TopicPartition(t, p, 0) for t in wanted for p in there[t].partitions]
        reader.assign(parts)
        return list(_read(reader, wanted, len(parts)))
    finally:
        reader.close()


def _read(reader: Consumer, wanted: Mapping[str, str], unread: int) -> Iterator[Raw]:
    while unread:
        message = reader.poll(20)
        assert message is not None, "Kafka does not answer"
        error = message.error()
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF, str(error)
            unread -= 1
            continue
        headers: Any = message.headers() or []
        topic = wanted[str(message.topic())]
        pairs = [(n, v if isinstance(v, bytes) else str(v).encode()) for n, v in headers]
        yield Raw(topic, _bytes(message.key()), message.value(), pairs)


def _bytes(key: str | bytes | None) -> bytes | None:
    return key.encode() if isinstance(key, str) else key


def _tables(dsn: str) -> list[str]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(dsn) as connection:
        return [name for (name,) in connection.execute(query).fetchall()]


def _table(dsn: str, name: str) -> bytes:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(f'SELECT * FROM "{name}"'.encode()).fetchall()
    return b"\n".join(
        value if isinstance(value, bytes) else repr(value).encode() for row in rows for value in row
    )
