"""Where partitions end: asked for all of a process's at once, every few seconds.

A loop learns ends from what it fetches, and fetches nothing of what is paused: just when it is
behind, it would not know by how much.
"""

import logging
import threading
from collections.abc import Sequence

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from hookstream.stream.loop import Loop
from hookstream.stream.record import Assignment
from hookstream.stream.settings import KafkaSettings

EVERY_S = 5.0
_ANSWER_S = 2.0
logger = logging.getLogger(__name__)


class Ends:
    """Keeps `end` of the loops' assignments up to date, in a thread of its own."""

    def __init__(self, kafka: KafkaSettings, loops: Sequence[Loop]) -> None:
        self._kafka, self._loops = kafka, loops

    def run(self, stopping: threading.Event) -> None:
        """Until `stopping`. While Kafka is away, ends stay as they were."""
        if not self._loops:
            stopping.wait()
            return
        asker = Consumer(
            self._kafka.client("hookstream-ends")
            | {"group.id": f"{self._kafka.group_prefix}ends", "enable.auto.commit": False}
        )
        while not stopping.wait(EVERY_S if self._known() else EVERY_S / 10):
            self._ask(asker)
        asker.close()

    def _ask(self, asker: Consumer) -> None:
        """One request to each broker that leads any of what is assigned now."""
        there = {(self._kafka.topic(a.topic), a.partition): a for a in self._assigned()}
        if not there:
            return
        wanted = [TopicPartition(*key, OFFSET_END) for key in there]
        try:
            found = asker.offsets_for_times(wanted, timeout=_ANSWER_S)
        except KafkaException as error:
            logger.debug("where partitions end is not known: %s", error)
            return
        for part in found:
            if part.error is None and part.offset >= 0:
                there[part.topic, part.partition].end = part.offset

    def _known(self) -> bool:
        """Whether every end was asked for once; until then it is asked sooner."""
        return all(a.end is not None for a in self._assigned())

    def _assigned(self) -> list[Assignment]:
        return [a for loop in self._loops for a in list(loop.assignments.values())]
