"""Configuration on the running system: saved, published, known everywhere, sealed."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from hookstream.model.records import Webhook
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.topics import CONFIG
from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.system.shared import QUICK, Shared, Tenant

TIMES = 1_000
NOWHERE, SECURE = "http://127.0.0.1:9/nowhere", "https://127.0.0.1:9/nowhere"
WRITERS = 4


@pytest.fixture(scope="module")
def running(plain: Shared) -> Shared:
    return plain


def test_an_event_sent_right_after_a_201_is_matched_a_thousand_times_in_a_row(
    running: Shared, receiver: Receiver
) -> None:
    tenant = running.tenant()
    begun = monotonic()
    sent = []
    for number in range(TIMES):
        tenant.webhook(f"{receiver.url}/{number}", events=[f"type.{number}"])
        sent.append((f"/{number}", tenant.send(f"type.{number}")))
    print(f"{TIMES} webhooks, each followed by its event: {monotonic() - begun:.1f} s")  # noqa: T201
    wait_until(lambda: len(receiver.got) >= TIMES)
    assert sorted((got.path, got.id) for got in receiver.got) == sorted(sent)


def test_of_two_writers_racing_for_one_system_name_one_gets_201_and_one_409(
    running: Shared,
) -> None:
    first = running.tenant()
    second = running.tenant(first.workspace)
    for turn in range(10):
        barrier = threading.Barrier(2)

        def race(
            tenant: Tenant, name: str = f"orders-{turn}", start: threading.Barrier = barrier
        ) -> int:
            start.wait(10)
            body = {"url": NOWHERE, "name": name}
            return tenant.call("POST", "/v1/webhooks", body).status_code

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(race, (first, second))) == [201, 409]
    names = [item["name"] for item in first.get("/v1/webhooks")["items"]]
    assert names == [f"orders-{turn}" for turn in range(10)]


def test_a_thousand_changes_by_four_writers_are_on_the_topic_once_answered(
    running: Shared,
) -> None:
    tenant = running.tenant()
    writers = [running.tenant(tenant.workspace) for _ in range(WRITERS)]
    ids = [tenant.webhook(NOWHERE)["id"] for _ in range(WRITERS)]

    def change(writer: Tenant, id_: str) -> None:
        for number in range(TIMES // WRITERS):
            body = {"description": f"number {number}"}
            answer = writer.call("PATCH", f"/v1/webhooks/{id_}", body)
            assert answer.status_code == 200, answer.text

    begun = monotonic()
    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(change, writers, ids))
    print(f"{TIMES} changes, published: {monotonic() - begun:.1f} s")  # noqa: T201
    table = Table(running.kafka, "tests-changed")
    table.catch_up()
    on_topic = [table.config.webhooks[id_].version for id_ in ids]
    table.close()
    versions = [tenant.get(f"/v1/webhooks/{id_}")["version"] for id_ in ids]
    assert on_topic == versions == [1 + TIMES // WRITERS] * WRITERS


def test_a_policys_edit_reaches_all_its_webhooks_before_it_is_answered(
    running: Shared, receiver: Receiver
) -> None:
    tenant = running.tenant()
    policy = tenant.post("/v1/policies", QUICK | {"envelope": "standard"})["id"]
    for number in range(50):
        tenant.webhook(f"{receiver.url}/{number}", policy=policy)
    answer = tenant.call("PATCH", f"/v1/policies/{policy}", {"envelope": "data"})
    assert answer.status_code == 200, answer.text
    tenant.send("a.b", '{"bare": true}')
    wait_until(lambda: len(receiver.got) == 50)
    assert {got.body for got in receiver.got} == {b'{"bare": true}'}


def test_a_table_rebuilt_from_the_compacted_topic_equals_the_live_one(running: Shared) -> None:
    tenant = running.tenant()
    live = Table(running.kafka, "tests-live")
    live.catch_up()
    webhook = tenant.webhook(NOWHERE)["id"]
    for number in range(100):
        tenant.call("PATCH", f"/v1/webhooks/{webhook}", {"description": f"number {number}"})
    tenant.call("DELETE", f"/v1/webhooks/{tenant.webhook(NOWHERE)['id']}")
    live.catch_up()
    before = len(running.raw(CONFIG))
    keys = len(live.config.records)
    assert before > keys + 100
    _compact_at_once(running.kafka)

    def compacted() -> bool:
        """Each change begins a new segment, once the broker goes by its new settings."""
        body = {"description": "begins a new segment"}
        answer = tenant.call("PATCH", f"/v1/webhooks/{webhook}", body)
        return answer.status_code == 200 and len(running.raw(CONFIG)) <= keys + 10

    wait_until(compacted)
    live.catch_up()
    rebuilt = Table(running.kafka, "tests-rebuilt")
    rebuilt.catch_up()
    assert rebuilt.config.records == live.config.records
    assert rebuilt.config.by_workspace == live.config.by_workspace
    assert rebuilt.config.event_types == live.config.event_types
    assert rebuilt.config.keys == live.config.keys
    rebuilt.close()
    live.close()


def test_secrets_and_private_headers_are_sealed_from_the_first_write(running: Shared) -> None:
    tenant = running.tenant()
    planted = "planted-signing-secret", "planted-header-value", "planted-after-a-change"
    private = {"key": "X-Key", "value": planted[1], "private": True}
    rules = {"policy": "workestra", "secret": planted[0], "headers": [private]}
    made = tenant.post("/v1/webhooks", {"url": SECURE, **rules})
    path = f"/v1/webhooks/{made['id']}"
    assert tenant.call("PATCH", path, {"secret": planted[2]}).status_code == 200
    ours = tenant.webhook(NOWHERE)["secret"]
    topic = b"\n".join(record.bytes for record in running.raw(CONFIG))
    tables = running.tables()
    assert made["id"].encode() in topic
    assert made["id"].encode() in tables["webhooks"]
    for form in [f for secret in (*planted, ours, tenant.key) for f in forms_of(secret)]:
        assert form not in topic
        assert [name for name, text in tables.items() if form in text] == []
    table = Table(running.kafka, "tests-sealed")
    table.catch_up()
    webhook = table.config.webhooks[made["id"]]
    assert isinstance(webhook, Webhook)
    assert len(webhook.secrets) == 1
    assert webhook.headers[0].private
    table.close()


def forms_of(secret: str) -> list[bytes]:
    """A secret as it may stand somewhere: as it is, in base64, in hex; its key alone."""
    plain = [secret.encode()]
    if secret.startswith("whsec_"):
        plain += [secret[6:].encode(), base64.b64decode(secret[6:])]
    return [form for text in plain for form in (text, base64.b64encode(text), text.hex().encode())]


def _compact_at_once(kafka: KafkaSettings) -> None:
    """Make the broker compact config as soon as it can, and look for work often."""
    topic = {
        "segment.ms": "1",
        "min.cleanable.dirty.ratio": "0",
        "max.compaction.lag.ms": "1",
        "min.compaction.lag.ms": "0",
    }
    admin = AdminClient(kafka.client("tests"))
    _alter(admin, ResourceType.TOPIC, kafka.topic(CONFIG), topic)
    for broker in admin.list_topics(timeout=10).brokers:
        _alter(admin, ResourceType.BROKER, str(broker), {"log.cleaner.backoff.ms": "200"})


def _alter(admin: AdminClient, kind: ResourceType, name: str, config: dict[str, str]) -> None:
    entries = [
        ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        for key, value in config.items()
    ]
    resource = ConfigResource(kind, name, incremental_configs=entries)
    for altered in admin.incremental_alter_configs([resource], request_timeout=30).values():
        altered.result(30)
