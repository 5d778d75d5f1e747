"""Where partitions end: asked for all of a process's at once, every few seconds.

A loop learns ends from what it fetches, and fetches nothing of what is paused: just when it is
behind, it would not know by how much.
"""

import logging
import threading
from collections.abc import Iterable, Sequence

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from hookstream.stream.admin import admin_client
from hookstream.stream.loop import Loop
from hookstream.stream.record import Assignment
from hookstream.stream.settings import KafkaSettings

EVERY_S = 5.0
_ANSWER_S = 2.0
_WITHIN_S = 10.0
"""All answers are there, or have failed, after `_ANSWER_S`."""
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
logger = logging.getLogger(__name__)


class Ends:
    """Keeps `end` of the loops' assignments up to date, in a thread of its own."""

    def __init__(self, kafka: KafkaSettings, loops: Sequence[Loop]) -> None:
        self._kafka, self._loops = kafka, loops
        self._admin: AdminClient | None = None

    def run(self, stopping: threading.Event) -> None:
        """Until `stopping`. While Kafka is away, ends stay as they were."""
        while not stopping.wait(EVERY_S if self._known() else EVERY_S / 10):
            self.ask()

    def ask(self) -> None:
        """Ask once, for everything that is assigned now."""
        wanted = {(self._kafka.topic(a.topic), a.partition): a for a in self._assigned()}
        if not wanted:
            return
        self._admin = self._admin or admin_client(self._kafka)
        parts = {TopicPartition(*key): _LATEST for key in wanted}
        for part, answer in self._admin.list_offsets(parts, request_timeout=_ANSWER_S).items():
            try:
                wanted[part.topic, part.partition].end = answer.result(_WITHIN_S).offset
            except (KafkaException, TimeoutError) as error:
                logger.debug("where %s ends is not known: %s", part.topic, error)

    def _known(self) -> bool:
        """Whether every end was asked for once; until then it is asked sooner."""
        return all(a.end is not None for a in self._assigned())

    def _assigned(self) -> Iterable[Assignment]:
        return [a for loop in self._loops for a in list(loop.assignments.values())]
