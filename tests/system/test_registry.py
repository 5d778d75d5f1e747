"""With a real schema registry: Confluent's wire format, plain Avro clients in and out, and life
without it."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.postgres import EmbeddedPostgres
from hookstream.model.records import Event
from hookstream.stream import schemas
from hookstream.stream.registry import (
    NUMBERED,
    Incompatible,
    RegistrySettings,
    SchemaRegistry,
)
from hookstream.stream.topics import DELIVERIES, EVENTS, OUTCOMES
from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.fixtures.registry import RunningRegistry
from tests.system.shared import Shared, Tenant, shared

CONFLUENT = 0


@pytest.fixture(scope="module")
def running(
    broker: EmbeddedKafka, postgres: EmbeddedPostgres, registry: RunningRegistry
) -> Iterator[Shared]:
    settings = {"HOOKSTREAM_REGISTRY_URL": registry.url, "HOOKSTREAM_REGISTRY_TIMEOUT_S": "30"}
    with shared(broker, postgres, **settings) as system:
        yield system


@pytest.fixture
def client(registry: RunningRegistry) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": registry.url})


def an_event(tenant: Tenant, id_: str, **more: Any) -> dict[str, Any]:
    event = {"workspace": tenant.workspace, "id": id_, "type": "order.paid"}
    return event | {"created_at_ms": time.time_ns() // 1_000_000, "data": b'{"n":1.10}', **more}


def produce(running: Shared, client: SchemaRegistryClient, text: str, datum: Any) -> None:
    """As any program with Confluent's serializer does it."""
    topic = running.kafka.topic(EVENTS)
    serialize = AvroSerializer(client, text)
    value = serialize(datum, SerializationContext(topic, MessageField.VALUE))
    producer = Producer({"bootstrap.servers": running.kafka.bootstrap_servers})
    producer.produce(topic, value)
    assert producer.flush(30) == 0


def arrived(receiver: Receiver, event: str) -> bool:
    return wait_until(lambda: event in receiver.ids())


def test_every_public_record_is_in_confluents_format_and_its_subject_is_full_transitive(
    running: Shared, registry: RunningRegistry, receiver: Receiver
) -> None:
    tenant = running.tenant()
    tenant.webhook(receiver.url)
    event = tenant.send("order.paid")
    assert arrived(receiver, event)
    wait_until(lambda: len(running.raw(OUTCOMES)) > 0)
    for topic in (EVENTS, DELIVERIES, OUTCOMES):
        values = [raw.value or b"" for raw in running.raw(topic)]
        assert values, topic
        assert {value[0] for value in values} == {CONFLUENT}, topic
    for topic in NUMBERED.values():
        subject = f"{running.kafka.topic(topic)}-value"
        answer = httpx2.get(f"{registry.url}/config/{subject}", trust_env=False)
        assert answer.json()["compatibilityLevel"] == "FULL_TRANSITIVE", subject


def test_plain_avro_clients_publish_events_and_read_outcomes(
    running: Shared, client: SchemaRegistryClient, receiver: Receiver
) -> None:
    tenant = running.tenant()
    tenant.webhook(receiver.url)
    produce(running, client, schemas.current(Event).text, an_event(tenant, "evt_plain"))
    assert arrived(receiver, "evt_plain")
    outcome = _outcome_of(running, client, "evt_plain")
    assert (outcome["result"], outcome["response"]["status"]) == ("succeeded", 200)


def _outcome_of(running: Shared, client: SchemaRegistryClient, event: str) -> dict[str, Any]:
    """Read by Confluent's deserializer, which asks the registry for the schema."""
    topic = running.kafka.topic(OUTCOMES)
    deserialize = AvroDeserializer(client)
    consumer = Consumer(
        {
            "bootstrap.servers": running.kafka.bootstrap_servers,
            "group.id": f"{topic}-plain",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])

    def next_one() -> dict[str, Any] | None:
        message = consumer.poll(1)
        if message is None or message.error() is not None:
            return None
        context = SerializationContext(topic, MessageField.VALUE)
        outcome: dict[str, Any] = deserialize(message.value(), context)
        return outcome if outcome["event"] == event else None

    try:
        found = wait_until(next_one, 60)
        assert found is not None
        return found
    finally:
        consumer.close()


def test_an_event_of_a_newer_schema_is_read_and_an_incompatible_one_is_refused(
    running: Shared, client: SchemaRegistryClient, receiver: Receiver
) -> None:
    tenant = running.tenant()
    tenant.webhook(receiver.url)
    newer = json.loads(schemas.current(Event).text)
    newer["fields"].append({"name": "priority", "type": "long", "default": 0})
    produce(running, client, json.dumps(newer), an_event(tenant, "evt_newer", priority=7))
    assert arrived(receiver, "evt_newer")
    newer["fields"][-1] = {"name": "urgent", "type": "boolean"}  # no default: old readers cannot
    with pytest.raises(SchemaRegistryError):
        client.register_schema(
            f"{running.kafka.topic(EVENTS)}-value", Schema(json.dumps(newer), "AVRO")
        )


def test_a_registry_that_has_something_else_under_our_subject_is_told(
    client: SchemaRegistryClient, registry: RunningRegistry
) -> None:
    other = '{"type": "record", "name": "Event", "namespace": "hookstream", "fields": []}'
    client.register_schema("elsewhere.events-value", Schema(other, "AVRO"))
    ours = SchemaRegistry(RegistrySettings(url=registry.url), "elsewhere.")
    with pytest.raises(Incompatible) as refused:
        ours.register(Event)
    assert "elsewhere.events-value" in str(refused.value)


def test_with_the_registry_gone_services_start_and_events_are_delivered(
    running: Shared, registry: RunningRegistry, receiver: Receiver
) -> None:
    """The last one here: it takes the registry away."""
    tenant = running.tenant()
    tenant.webhook(receiver.url)
    registry.stop()
    for service in ("ingest", "router", "deliverer", "status"):
        running.system.stop_service(service)
        running.system.start_service(service)
    event = tenant.send("order.paid")
    assert arrived(receiver, event)
    wait_until(lambda: [d["state"] for d in tenant.deliveries(event)] == ["succeeded"])
    assert {(raw.value or b"")[0] for raw in running.raw(DELIVERIES)} == {CONFLUENT}
    assert b"schemas are written as config knows them" in running.logs()["router.log"]
