"""Our topics: their names, shapes and keys (design: *The way of an event*)."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from hookstream.model.records import TopicsNote
from hookstream.stream.admin import admin_client
from hookstream.stream.settings import KafkaSettings

EVENTS = "events"
DELIVERIES = "deliveries"
RETRY = "retry"
OUTCOMES = "outcomes"
CONFIG = "config"
DEAD = "dead"

TIERS: dict[str, int] = {
    "retry.2s": 2_000,
    "retry.5s": 5_000,
    "retry.10s": 10_000,
    "retry.20s": 20_000,
    "retry.1m": 60_000,
    "retry.2m": 120_000,
    "retry.5m": 300_000,
    "retry.10m": 600_000,
    "retry.30m": 1_800_000,
    "retry.1h": 3_600_000,
    "retry.3h": 10_800_000,
    "retry.10h": 36_000_000,
}
"""Delayed topics: every record in one waits the same time, in milliseconds."""

_DAY_MS = 86_400_000
_KIB = 1024
_TRIMMED = {"segment.bytes": str(64 * _KIB * _KIB)}
"""Kafka gives back the disk of whole files alone: of topics that are trimmed they are small."""
_KNOWN_WITHIN_S = 30.0
MADE_WITHIN_S = 30.0
"""Topics and partitions take a cluster longer than an answer may take otherwise (`SILENT_MS`)."""


class Topic(NamedTuple):
    """The shape of one topic; `config` in Kafka's own names."""

    name: str
    partitions: int
    config: dict[str, str]


def topics(keyed: int = 16, delayed: int = 4) -> list[Topic]:
    """All topics: `keyed` partitions for events, deliveries and outcomes, `delayed` for retries.

    `max.message.bytes` bounds a batch, not a record: a topic that anybody may produce to takes the
    batches of any client with default settings, and the router checks the size of each event.
    """
    big, compact = 1024 * _KIB, {"cleanup.policy": "compact", "max.compaction.lag.ms": str(_DAY_MS)}
    return [
        Topic(EVENTS, keyed, _kept(7, big)),
        Topic(DELIVERIES, keyed, _kept(7, big)),
        Topic(OUTCOMES, keyed, _kept(7, big)),
        *(Topic(name, delayed, _kept(7, big) | _TRIMMED) for name in (RETRY, *TIERS)),
        Topic(CONFIG, 1, _kept(7, big) | compact | {"delete.retention.ms": str(7 * _DAY_MS)}),
        Topic(DEAD, 1, _kept(30, 2048 * _KIB)),
    ]


def _kept(days: int, max_bytes: int) -> dict[str, str]:
    return {
        "retention.ms": str(days * _DAY_MS),
        "max.message.bytes": str(max_bytes),
        "message.timestamp.type": "LogAppendTime",
    }


def apply(kafka: KafkaSettings, wanted: list[Topic], replicas: int) -> list[str]:
    """Create what is missing; tell (a line each) what differs. Never deletes, never shrinks."""
    admin = admin_client(kafka)
    there = admin.list_topics(timeout=10).topics
    missing = [t for t in wanted if kafka.topic(t.name) not in there]
    new = [_new(kafka, t, replicas) for t in missing]
    for made in admin.create_topics(new, request_timeout=MADE_WITHIN_S).values() if new else ():
        _made(made)
    _until_known(admin, {kafka.topic(t.name) for t in missing})
    present = [t for t in wanted if kafka.topic(t.name) in there]
    counts = {t.name: len(there[kafka.topic(t.name)].partitions) for t in present}
    return [
        *(
            f"{kafka.topic(t.name)}: {counts[t.name]} partitions, wanted {t.partitions}"
            for t in present
            if counts[t.name] != t.partitions
        ),
        *_differing_copies(there, {kafka.topic(t.name) for t in present}, replicas),
        *differing_configs(admin, kafka, present, replicas),
    ]


def _differing_copies(there: Mapping[str, Any], names: set[str], wanted: int) -> list[str]:
    """Topics of which a partition has fewer copies than it should; more do no harm."""
    return [
        f"{name}: {copies} copies, wanted {wanted}"
        for name in sorted(names)
        if (copies := min(len(p.replicas) for p in there[name].partitions.values())) < wanted
    ]


def _until_known(admin: AdminClient, names: set[str]) -> None:
    """A topic that was made is not in the broker's answers at once."""
    deadline = time.monotonic() + _KNOWN_WITHIN_S
    while not names <= admin.list_topics(timeout=10).topics.keys():
        if time.monotonic() > deadline:
            raise TimeoutError(f"topics were made and are not there: {sorted(names)}")
        time.sleep(0.05)


def _new(kafka: KafkaSettings, topic: Topic, replicas: int) -> NewTopic:
    return NewTopic(
        kafka.topic(topic.name),
        num_partitions=topic.partitions,
        replication_factor=replicas,
        config=_config(topic, replicas),
    )


def _config(topic: Topic, replicas: int) -> dict[str, str]:
    """Of a topic with so many copies."""
    return topic.config | ({"min.insync.replicas": "2"} if replicas >= 3 else {})


def _made(future: Any) -> None:
    try:
        future.result(MADE_WITHIN_S)
    except KafkaException as error:
        if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
            raise


def differing_configs(
    admin: AdminClient, kafka: KafkaSettings, have: list[Topic], replicas: int = 1
) -> list[str]:
    """A line for each setting of these topics that is not as this version makes it."""
    wanted = {kafka.topic(t.name): _config(t, replicas) for t in have}
    if not wanted:
        return []
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in wanted])
    found = {resource.name: future.result(30) for resource, future in asked.items()}
    return [
        f"{topic}: {key}={found[topic][key].value}, wanted {value}"
        for topic, config in wanted.items()
        for key, value in config.items()
        if found[topic][key].value != value
    ]


def partition_counts(kafka: KafkaSettings) -> TopicsNote:
    """How many partitions our topics have on the broker."""
    admin = admin_client(kafka)
    there = admin.list_topics(timeout=10).topics
    names = [t.name for t in topics()]
    found = {n: len(there[kafka.topic(n)].partitions) for n in names if kafka.topic(n) in there}
    return TopicsNote(partitions=found)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition Kafka's own default partitioner gives to `key`."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Kafka's hash of record keys, as in its Java clients (32 bits, unsigned)."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15
