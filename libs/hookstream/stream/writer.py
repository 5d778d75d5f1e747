"""The producer: what it is given is acknowledged by the broker, or the process ends.

Producers behind a loop have no message timeout: retriable errors are waited out by librdkafka for
as long as it takes, nothing is settled without an acknowledgement. One thread polls for them and
hands the answers of one poll over at once.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from hookstream.stream.settings import KafkaSettings

Headers = list[tuple[str, str | bytes | None]]
OnAck = Callable[["Ack"], None]
Answer = tuple[OnAck, "Ack"]
Dispatch = Callable[[Sequence[Answer]], None]

BATCH_BYTES = 256 * 1024
"""A batch is refused as a whole above a topic's `max.message.bytes`: well below the smallest."""
QUEUE_MESSAGES = 500_000
QUEUE_KBYTES = 512 * 1024
LATE_BYTES = 128 * 1024 * 1024
"""Of what waits for room in that queue."""
logger = logging.getLogger(__name__)


class Refused(Enum):
    """Why the broker did not take a record, where its handler can do something about it."""

    TOO_LARGE = "too_large"
    PURGED = "purged"
    TIMED_OUT = "timed_out"


class Ack:
    """The broker's answer for one record: its offset, or why there is none."""

    __slots__ = ("offset", "refused")

    def __init__(self, offset: int, refused: Refused | None = None) -> None:
        self.offset = offset
        self.refused = refused


class Full(Exception):
    """The producer's queue is full; the same call may succeed a moment later."""


class Writer:
    """An idempotent producer (acks=all) with one polling thread.

    `linger_ms`: how long a record may wait for others to go with, where nobody waits for it.
    `dispatch` receives the acknowledged answers of one poll and must call each (default: at once,
    on the polling thread). `on_fatal` is told once of each kind of error that only a new process
    can mend, and of each fault of ours.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        client_id: str,
        *,
        on_fatal: Callable[[str], None],
        dispatch: Dispatch | None = None,
        timeout_ms: int = 0,
        linger_ms: float | None = None,
    ) -> None:
        self._producer = Producer(
            kafka.client(client_id)
            | {
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": kafka.linger_ms if linger_ms is None else linger_ms,
                # One request under way: what comes meanwhile goes together in the next. Nothing
                # waits when there is little, and when there is much the broker gets few, big ones.
                "max.in.flight.requests.per.connection": 1,
                "compression.type": kafka.compression,
                "message.timeout.ms": timeout_ms,
                "message.max.bytes": 3 * 1024 * 1024,
                "batch.size": BATCH_BYTES,
                "queue.buffering.max.messages": QUEUE_MESSAGES,
                "queue.buffering.max.kbytes": QUEUE_KBYTES,
                "partitioner": "murmur2_random",
                "retry.backoff.ms": 50,
            }
        )
        self._topics: dict[str, str] = {}
        self.sent: dict[str, int] = {}
        """Records taken so far, by topic (without prefix)."""
        self.refused = dict.fromkeys(Refused, 0)
        """Those of them that the broker did not take."""
        self._kafka = kafka
        self._on_fatal = on_fatal
        self._told: set[int | None] = set()
        self._dispatch = dispatch or _call_each
        self._answers: deque[Answer] = deque()  # `flush` and `produce` append from other threads
        self._late: deque[tuple[str, bytes, OnAck, str]] = deque()
        self._late_bytes = 0
        self._overrun = False
        self._room = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, name=f"{client_id}-acks", daemon=True)
        self._thread.start()

    def produce(
        self,
        topic: str,
        value: bytes | None,
        on_ack: Callable[[Ack], None],
        *,
        key: bytes | str | None = None,
        partition: int = -1,
        headers: Headers | None = None,
    ) -> None:
        """Queue a record for `topic` (without prefix). Raises `Full`; never blocks."""
        name = self._topics.get(topic) or self._name(topic)

        def answered(error: KafkaError | None, message: Message) -> None:
            self._answers.append((on_ack, self._ack(error, message)))

        try:
            self._producer.produce(
                name,
                value=value,
                key=key,
                partition=partition,
                headers=headers,
                on_delivery=answered,
            )
            self.sent[topic] += 1
        except BufferError:
            raise Full from None
        except KafkaException as error:
            self._answers.append((on_ack, self._ack(error.args[0], None)))

    def produce_soon(self, topic: str, value: bytes, on_ack: OnAck, key: str) -> None:
        """Queue a record at once, or as soon as there is room. Never blocks, from any thread.

        What waits for room is bounded: what is more is let go, and `on_fatal` told.
        """
        with self._room:
            crowded = self._late_bytes + len(value) > LATE_BYTES
            if not crowded:
                self._late.append((topic, value, on_ack, key))
                self._late_bytes += len(value)
        if crowded and not self._overrun:
            self._overrun = True
            self._on_fatal(f"more than {LATE_BYTES} bytes wait for room in the producer's queue")
        self._produce_late()

    def knows(self, topic: str, partitions: int) -> bool:
        """Whether so many partitions of `topic` can be produced to; asks Kafka, for a second."""
        name = self._kafka.topic(topic)
        try:
            found = self._producer.list_topics(name, timeout=1).topics.get(name)
        except KafkaException:
            return False
        return found is not None and len(found.partitions) >= partitions

    def purge(self) -> None:
        """Give up what still waits in the queue: each such record is answered `PURGED`."""
        self._producer.purge(in_queue=True, in_flight=False, blocking=False)

    def __len__(self) -> int:
        """Records not yet acknowledged."""
        return len(self._producer) + len(self._late)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is acknowledged; False if time ran out first."""
        deadline = time.monotonic() + timeout_s
        while self._producer.flush(max(deadline - time.monotonic(), 0)) == 0:
            # In this order: a record goes from the late ones to the producer, never back.
            if not self._late and not len(self._producer):
                return True
            self._produce_late()
        return False

    def close(self, timeout_s: float = 5.0) -> bool:
        """Flush, end the thread, hand over the last answers, flush what they have led to."""
        deadline = time.monotonic() + timeout_s
        done = self.flush(timeout_s)
        self._closing.set()
        self._thread.join(2)
        self._hand_over()
        while done and len(self):
            done = self.flush(deadline - time.monotonic())
            self._hand_over()
        return done

    def _name(self, topic: str) -> str:
        self.sent[topic] = 0
        self._topics[topic] = self._kafka.topic(topic)
        return self._topics[topic]

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.1)
            try:
                self._hand_over()
                if self._late:
                    self._produce_late()
            except Exception as error:  # a fault of ours: what it was for would wait for ever
                logger.exception("an answer of the broker was not handled")
                self._on_fatal(f"an answer of the broker was not handled: {error!r}")

    def _hand_over(self) -> None:
        if self._answers:
            self._dispatch([self._answers.popleft() for _ in range(len(self._answers))])

    def _produce_late(self) -> None:
        with self._room:
            while self._late:
                topic, value, on_ack, key = self._late[0]
                try:
                    self.produce(topic, value, on_ack, key=key)
                except Full:
                    return
                self._late.popleft()
                self._late_bytes -= len(value)

    def _ack(self, error: KafkaError | None, message: Message | None) -> Ack:
        if error is None and message is not None:
            return Ack(message.offset() or 0)
        refused = _REFUSED.get(error.code() if error else None)
        if refused is None:
            self._tell(error)
        refused = refused or Refused.PURGED
        self.refused[refused] += 1
        return Ack(-1, refused)

    def _tell(self, error: KafkaError | None) -> None:
        """Each kind of error once: all that waits may fail for the same reason."""
        code = error.code() if error else None
        if code not in self._told:
            self._told.add(code)
            self._on_fatal(f"producing failed: {error}")


_REFUSED: dict[Any, Refused] = {
    KafkaError.MSG_SIZE_TOO_LARGE: Refused.TOO_LARGE,
    KafkaError.INVALID_RECORD: Refused.TOO_LARGE,
    KafkaError._PURGE_QUEUE: Refused.PURGED,
    KafkaError._MSG_TIMED_OUT: Refused.TIMED_OUT,
}


def _call_each(answers: Sequence[Answer]) -> None:
    for on_ack, ack in answers:
        on_ack(ack)
