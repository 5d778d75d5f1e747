"""How a loop takes part in its consumer group, in librdkafka's words."""

from confluent_kafka import KafkaError

from hookstream.stream.settings import ClientConfig, KafkaSettings

REPLACED = frozenset(
    {
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._FENCED,
    }
)
"""What a commit is refused with if others may have our partitions; all else says nothing of it. Nor
does ILLEGAL_GENERATION: the broker knows us, and we have not heard yet how a rebalance ended."""
REFUSED_S = 30.0
"""So long after a refusal, partitions that are still ours by name end the process."""
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


class Refused(Exception):
    """The group does not let us write what it does not take from us: only a new start helps."""
