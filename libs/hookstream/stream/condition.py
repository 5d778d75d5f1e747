"""How Kafka stands, for `hookstream doctor`: asked from outside, nothing changed."""

import time
from typing import NamedTuple

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from hookstream.stream.admin import admin_client
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import CONFIG, differing_configs, topics

_WITHIN_S = 10.0
_OFFSETS_KEPT = "offsets.retention.minutes"
_SESSION = "broker.session.timeout.ms"
_CLOCK = b"doctor/clock"


class Cluster(NamedTuple):
    """Brokers, and our topics as they are."""

    brokers: int
    replicas: dict[str, int]
    """topic (without prefix) → copies of its first partition; one that is missing is not here."""
    differing: list[str]
    """A line for each setting of a topic that is not as this version makes it."""
    offsets_kept_min: int | None
    """For how many minutes the brokers keep offsets of a stopped group; None: they do not say."""
    broker_session_ms: int | None
    """After how long a dead broker is noticed; None: they do not say (no KRaft)."""


def cluster(kafka: KafkaSettings) -> Cluster:
    """Raises `KafkaException` if no broker answers."""
    admin = admin_client(kafka)
    there = admin.list_topics(timeout=_WITHIN_S)
    present = [t for t in topics() if kafka.topic(t.name) in there.topics]
    replicas = {
        t.name: len(there.topics[kafka.topic(t.name)].partitions[0].replicas) for t in present
    }
    numbers = _broker_numbers(kafka, next(iter(there.brokers)))
    return Cluster(
        len(there.brokers),
        replicas,
        differing_configs(admin, kafka, present),
        numbers.get(_OFFSETS_KEPT),
        numbers.get(_SESSION),
    )


def _broker_numbers(kafka: KafkaSettings, broker: int) -> dict[str, int]:
    """Those of the settings asked about here that the broker tells."""
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    (answer,) = admin_client(kafka).describe_configs([resource]).values()
    told = answer.result(_WITHIN_S)
    found = {name: told[name].value for name in (_OFFSETS_KEPT, _SESSION) if name in told}
    return {name: int(value) for name, value in found.items() if value}


def clock_ahead_ms(kafka: KafkaSettings) -> int:
    """By how much the broker's clock is ahead of ours, at least: the time of one answer is unknown.

    Asked by a tombstone on the config topic, of a key that nothing has. Raises TimeoutError.
    """
    told: list[int] = []

    def answered(error: KafkaError | None, message: Message) -> None:
        if error is None:
            told.append(message.timestamp()[1])

    producer = Producer(kafka.client("hookstream-doctor"))
    before_ms = _now_ms()
    producer.produce(kafka.topic(CONFIG), key=_CLOCK, value=None, partition=0, on_delivery=answered)
    producer.flush(_WITHIN_S)
    if not told:
        raise TimeoutError("config took no record")
    after_ms = _now_ms()
    return max(told[0] - after_ms, 0) + min(told[0] - before_ms, 0)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
