"""How a loop takes part in its consumer group, in librdkafka's words."""

from hookstream.stream.settings import ClientConfig, KafkaSettings

_NEW_PARTITIONS_MS = 5_000
"""How often is looked whether a topic has grown."""


def member(kafka: KafkaSettings, group: str) -> ClientConfig:
    """The configuration of a consumer of `group`, which commits by hand."""
    return kafka.client(f"hookstream-{group}") | {
        "group.id": kafka.group_prefix + group,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": kafka.session_timeout_ms,
        "heartbeat.interval.ms": 1_000,
        "auto.offset.reset": "error",  # a group has offsets (once.md 3), else: a gap
        "topic.metadata.refresh.interval.ms": _NEW_PARTITIONS_MS,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "fetch.wait.max.ms": 100,
        "queued.min.messages": 10_000,
        "fetch.queue.backoff.ms": 10,
        "queued.max.messages.kbytes": 16 * 1024,
    }
