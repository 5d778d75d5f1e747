"""Table: the config topic in memory. What the services need to know, never asked of a database."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition
from msgspec import Struct

from hookstream.model.config import Config
from hookstream.stream.codec import Codec, Undecodable
from hookstream.stream.schemas import WriterSchema, parse
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import CONFIG

_BATCH = 500
_FOLLOW_S = 0.05
_AGAIN_S = 0.05
logger = logging.getLogger(__name__)
_ASK_S = 1.0
"""A broker that says nothing for so long is left: another leads config by then, or soon will."""


class ConfigUnreachable(Exception):
    """The config topic could not be read to its end in time."""


class Table:
    """A consumer of the config topic that feeds a `Config`. Safe to use from several threads.

    `catch_up` reads to the end as it is now (0.3 ms when nothing is new); `follow` keeps the table
    close to the end in a thread of its own, for services that do not catch up by themselves.
    """

    def __init__(self, kafka: KafkaSettings, client_id: str) -> None:
        self.config = Config()
        self.codec = Codec(self._announced, self._numbered)
        self.look_up: Callable[[int], WriterSchema | None] = lambda _: None
        """Asks the schema registry, where there is one, for an id that config does not know."""
        self.on_fault: Callable[[str], None] = lambda _: None
        """Told why `follow` has ended by itself: from then on what is known here grows old."""
        self._at = TopicPartition(kafka.topic(CONFIG), 0, 0)
        self._position = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._listeners: list[Callable[[str, Struct | None], None]] = []
        self._follower: threading.Thread | None = None
        config = kafka.client(client_id) | {
            "group.id": f"{kafka.group_prefix}table",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 500,
            "queued.max.messages.kbytes": 8192,
        }
        self._consumer = Consumer(config)
        self._consumer.assign([self._at])
        # A broker answers one connection in order: behind a waiting fetch, the question where the
        # end is would take up to half a second. So it is asked on a connection of its own.
        self._asker = Consumer(config | {"socket.timeout.ms": int(_ASK_S * 1000)})

    def on_change(self, listener: Callable[[str, Struct | None], None]) -> None:
        """Call `listener(key, record or None)` for each change, on the reading thread."""
        self._listeners.append(listener)

    def catch_up(self, timeout_s: float = 10.0) -> None:
        """Read to the end of the topic as it is now, or raise `ConfigUnreachable`."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            end = self._end(deadline)
            while self._position < end:
                if time.monotonic() > deadline or self._closed.is_set():
                    raise ConfigUnreachable(f"config read to {self._position} of {end}")
                self._take(0.05)

    @property
    def is_closed(self) -> bool:
        """Whether nothing is read any more."""
        return self._closed.is_set()

    def follow(self) -> None:
        """Keep reading in a thread of its own."""
        self._follower = threading.Thread(target=self._follow, name="config", daemon=True)
        self._follower.start()

    def close(self) -> None:
        """Stop reading."""
        self._closed.set()
        if self._follower:
            self._follower.join(2)
        with self._lock:
            self._consumer.close()
            self._asker.close()

    def _follow(self) -> None:
        try:
            while not self._closed.wait(_FOLLOW_S):
                with self._lock:
                    self._take(0)
        except Exception as error:
            logger.exception("config is not followed any more")
            self.on_fault(f"config is not followed any more: {error!r}")

    def _end(self, deadline: float) -> int:
        """Asked again until the deadline, which is kept: a loop that waits here must turn."""
        while True:
            left_s = min(_ASK_S, deadline - time.monotonic())
            try:
                return self._ask(max(left_s, 0.01))
            except KafkaException as error:
                if time.monotonic() > deadline or self._closed.is_set():
                    raise ConfigUnreachable(f"no end of config: {error}") from error
                self._closed.wait(_AGAIN_S)

    def _ask(self, timeout_s: float) -> int:
        """One request: `get_watermark_offsets` would ask for the beginning, too."""
        at = TopicPartition(self._at.topic, self._at.partition, OFFSET_END)
        (answer,) = self._asker.offsets_for_times([at], timeout=timeout_s)
        if answer.error is not None or answer.offset < 0:
            raise KafkaException(answer.error or KafkaError(KafkaError.UNKNOWN))
        return int(answer.offset)

    def _take(self, wait_s: float) -> None:
        messages: list[Any] = self._consumer.consume(_BATCH, wait_s)
        for message in messages:
            if message.error() is None:
                self._apply(message)
                self._position = message.offset() + 1

    def _apply(self, message: Any) -> None:
        key, raw = message.key().decode("utf-8", "replace"), message.value()
        try:
            record = self.codec.decode(raw) if raw is not None else None
        except Undecodable:
            self.config.ignored(key)
            return
        self.config.apply(key, record)
        for listener in self._listeners:
            listener(key, record)

    def _numbered(self, schema_id: int) -> WriterSchema | None:
        note = self.config.schemas_by_id.get(schema_id)
        return parse(note.text) if note else self.look_up(schema_id)

    def _announced(self, fingerprint: bytes) -> WriterSchema | None:
        note = self.config.schemas.get(fingerprint.hex())
        return parse(note.text) if note else None
