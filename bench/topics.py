"""How far topics are, and what stands on them."""

from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from bench.counts import WrongCount
from hookstream.stream.settings import KafkaSettings

_TIMEOUT_S = 15
_QUIET_S = 10.0


class Ends:
    """The sum of the ends of some topics. Keeps its connection: asked five times a second."""

    def __init__(self, kafka: KafkaSettings, *topics: str) -> None:
        self._consumer = Consumer(
            kafka.client("hookstream-bench-ends")
            | {"group.id": "bench-ends", "enable.auto.commit": False}
        )
        known = self._consumer.list_topics(timeout=_TIMEOUT_S).topics
        names = [kafka.topic(topic) for topic in topics]
        self._parts = [TopicPartition(n, p) for n in names for p in known[n].partitions]

    def by_partition(self) -> dict[int, int]:
        """partition -> the offset of its next record; of one topic."""
        return {part.partition: self._end(part) for part in self._parts}

    def total(self) -> int:
        """Records ever written to them."""
        return sum(map(self._end, self._parts))

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

    def _end(self, part: TopicPartition) -> int:
        return int(self._consumer.get_watermark_offsets(part, timeout=_TIMEOUT_S)[1])


def ends_of(kafka: KafkaSettings, topic: str) -> dict[int, int]:
    """partition -> the offset of its next record, now."""
    ends = Ends(kafka, topic)
    try:
        return ends.by_partition()
    finally:
        ends.close()


def between(
    kafka: KafkaSettings, topic: str, start: dict[int, int], end: dict[int, int]
) -> Iterator[Any]:
    """All messages from one set of ends to a later one."""
    consumer = Consumer(
        kafka.client("hookstream-bench-read")
        | {"group.id": "bench-read", "enable.auto.commit": False}
    )
    name, left = kafka.topic(topic), sum(end[p] - start.get(p, 0) for p in end)
    consumer.assign([TopicPartition(name, p, start.get(p, 0)) for p in end])
    try:
        while left > 0:
            messages = consumer.consume(1_000, _QUIET_S)
            if not messages:
                raise WrongCount(f"{left} records of {topic} could not be read again")
            for message in messages:
                if _is_before(message, end):
                    left -= 1
                    yield message
    finally:
        consumer.close()


def _is_before(message: Any, end: dict[int, int]) -> bool:
    return message.error() is None and bool(message.offset() < end[message.partition()])
