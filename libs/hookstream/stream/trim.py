"""Trimming: what a group has done with is deleted, long before retention would.

Below what the coordinator has as committed, asked each time: of that nobody has anything to do,
whoever owns the partition meanwhile, and a late commit of a replaced member cannot be below it.
"""

import logging
import threading

from confluent_kafka import KafkaException, TopicPartition

from hookstream.stream.admin import admin_client
from hookstream.stream.groups import committed
from hookstream.stream.loop import Loop
from hookstream.stream.settings import KafkaSettings

_ANSWER_S = 10.0
logger = logging.getLogger(__name__)


class Trimmer:
    """Trims the partitions that a loop owns, at a slow pace."""

    def __init__(self, kafka: KafkaSettings, loop: Loop, every_s: float) -> None:
        self._kafka, self._loop, self._every_s = kafka, loop, every_s
        self._stopping = threading.Event()
        self._starts: dict[tuple[str, int], int] = {}
        """Where each partition was trimmed to."""

    def run(self) -> None:
        """Trim now and then, until `stop`. What fails is done the next time."""
        while not self._stopping.wait(self._every_s):
            try:
                self.trim()
            except KafkaException as error:
                logger.warning("not trimmed: %s", error)

    def stop(self) -> None:
        """End `run`. From any thread."""
        self._stopping.set()

    def trim(self) -> None:
        """Delete, once, what is below the commits of what the loop owns now."""
        wanted = [part for topic in self._loop.topics for part in self._finished(topic)]
        if not wanted:
            return
        answers = admin_client(self._kafka).delete_records(wanted, request_timeout=_ANSWER_S)
        for part, answer in answers.items():
            try:
                start: int = answer.result(2 * _ANSWER_S).low_watermark
                self._starts[part.topic, part.partition] = start
            except (KafkaException, TimeoutError) as error:
                logger.warning("%s [%s] not trimmed: %s", part.topic, part.partition, error)

    def _finished(self, topic: str) -> list[TopicPartition]:
        """Our partitions of the topic, each with the offset below which all is done."""
        assigned = list(self._loop.assignments.values())
        ours = {a.partition for a in assigned if a.topic == topic and a.alive}
        if not ours:
            return []
        name = self._kafka.topic(topic)
        found = committed(self._kafka, self._loop.group, topic, max(ours) + 1)
        return [
            TopicPartition(name, partition, at.offset)
            for partition, at in found.items()
            if partition in ours
            and at is not None
            and at.offset > self._starts.get((name, partition), 0)
        ]
