"""Where the partitions of a topic begin and end, for those who show or set offsets."""

from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition

from hookstream.stream.settings import KafkaSettings

_TIMEOUT_S = 15


class Bounds(NamedTuple):
    """One partition: its first offset, and the one its next record will have."""

    start: int
    end: int


def bounds(kafka: KafkaSettings, topic: str, partitions: int) -> dict[int, Bounds]:
    """partition -> `Bounds`, as they are now. Raises `KafkaException`."""
    group = {"group.id": f"{kafka.group_prefix}bounds", "enable.auto.commit": False}
    consumer = Consumer(kafka.client("hookstream-bounds") | group)
    try:
        asked = [TopicPartition(kafka.topic(topic), number) for number in range(partitions)]
        found = [consumer.get_watermark_offsets(each, timeout=_TIMEOUT_S) for each in asked]
        return {number: Bounds(*pair) for number, pair in enumerate(found)}
    finally:
        consumer.close()
