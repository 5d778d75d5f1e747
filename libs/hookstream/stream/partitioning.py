"""N as config has it now, obeyed live: where lanes belong, and when deliveries may be written.

While a resize is under way nothing writes deliveries (once.md 13). The new N holds from the moment
that the producer knows the new partitions: before, it would refuse what goes there.
"""

import threading
import time
from collections.abc import Callable

from msgspec import Struct

from hookstream.model.records import TopicsNote
from hookstream.stream.deliveries import partition_of_lane
from hookstream.stream.open import NotReady
from hookstream.stream.table import Table
from hookstream.stream.topics import CONFIG, DELIVERIES
from hookstream.stream.writer import Writer

_AGAIN_S = 0.2
_KNOWN_WITHIN_S = 30.0
Told = Callable[[str | None], None]
"""Told why deliveries wait; None: they do not."""


class Partitioning:
    """Follows the table; any thread may ask. `draining`: no delivery may be written now."""

    def __init__(self, table: Table, writer: Writer, told: Told = lambda _: None) -> None:
        """Raises `NotReady` before `hookstream topics apply`."""
        noted = table.config.topics
        if noted is None or DELIVERIES not in noted.partitions:
            raise NotReady("no topics noted in config: run `hookstream topics apply`")
        self._table, self._writer, self._told = table, writer, told
        self._counts = dict(noted.partitions)
        self._grown = bool(noted.growth)
        self.count = noted.partitions[DELIVERIES]
        """N: partitions of deliveries, and of outcomes."""
        self.draining = False
        table.on_change(self._changed)
        self._take(table.config.topics or noted)

    def of(self, topic: str) -> int:
        """How many partitions a topic has."""
        return 1 if topic == CONFIG else self._counts[topic]

    def until_known(self, topic: str, partitions: int) -> None:
        """Return once the producer knows so many partitions of a topic. Raises `NotReady`."""
        deadline = time.monotonic() + _KNOWN_WITHIN_S
        while partitions > self._counts[topic] and not self._writer.knows(topic, partitions):
            if time.monotonic() > deadline:
                raise NotReady(f"{topic} has fewer than {partitions} partitions")
            time.sleep(_AGAIN_S)

    def is_misplaced(self, lane: bytes, partition: int) -> bool:
        """Whether a delivery stands where its lane belonged before N was raised (a late writer)."""
        if not self._grown or partition >= self.count:
            return False
        return partition_of_lane(lane, self.count) != partition

    def _changed(self, key: str, record: Struct | None) -> None:
        del key
        if isinstance(record, TopicsNote):
            self._take(record)

    def _take(self, noted: TopicsNote) -> None:
        if noted.growing:
            self.draining = True
            self._told(_why(noted))
        elif noted.partitions == self._counts:
            self._obey(noted)
        else:
            threading.Thread(target=self._learn, args=(noted,), name="resize", daemon=True).start()

    def _learn(self, noted: TopicsNote) -> None:
        """Wait until the producer knows the new partitions, or something newer holds."""
        new = [t for t, n in noted.partitions.items() if n != self._counts.get(t)]
        while not all(self._writer.knows(topic, noted.partitions[topic]) for topic in new):
            time.sleep(_AGAIN_S)
            if self._table.is_closed or self._table.config.topics is not noted:
                return
        self._obey(noted)

    def _obey(self, noted: TopicsNote) -> None:
        self._counts = dict(noted.partitions)
        self._grown = bool(noted.growth)
        self.count = noted.partitions[DELIVERIES]
        was, self.draining = self.draining, False
        if was:
            self._told(None)


def _why(noted: TopicsNote) -> str:
    grow = {t: f"{noted.partitions.get(t)} to {n}" for t, n in noted.growing.items()}
    told = ", ".join(f"{topic} from {change}" for topic, change in sorted(grow.items()))
    return f"draining: partitions grow ({told}); deliveries wait until that is done"
