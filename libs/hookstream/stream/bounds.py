"""Where the partitions of a topic begin and end, for those who show or set offsets."""

from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition

from hookstream.stream.groups import waited_out
from hookstream.stream.settings import KafkaSettings

_TRY_S = 5


class Bounds(NamedTuple):
    """One partition: its first offset, and the one its next record will have."""

    start: int
    end: int


def bounds(kafka: KafkaSettings, topic: str, partitions: int) -> dict[int, Bounds]:
    """partition -> `Bounds`, as they are now; what a broker that comes or goes answers is waited
    out. Raises `KafkaException`."""
    group = {"group.id": f"{kafka.group_prefix}bounds", "enable.auto.commit": False}
    consumer = Consumer(kafka.client("hookstream-bounds") | group)
    try:
        asked = [TopicPartition(kafka.topic(topic), number) for number in range(partitions)]
        return {at.partition: _of(consumer, at) for at in asked}
    finally:
        consumer.close()


def _of(consumer: Consumer, at: TopicPartition) -> Bounds:
    return Bounds(*waited_out(lambda _: consumer.get_watermark_offsets(at, timeout=_TRY_S)))
