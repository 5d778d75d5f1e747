"""A consumer group's first start, so that lost offsets are never taken for one (once.md 3)."""

import itertools
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from hookstream.model.records import GroupNote
from hookstream.stream.admin import admin_client
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.window import Committed, Window

_TIMEOUT_S = 15
_TRY_S = 2.0
_AGAIN_S = 0.1
_KEPT = 64
_PASSING = {
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "FENCED_LEADER_EPOCH",
    "LEADER_NOT_AVAILABLE",
    "NOT_COORDINATOR",
    "NOT_LEADER_FOR_PARTITION",
    "OFFSET_NOT_AVAILABLE",  # its leader is new, and does not know yet what all copies have
    "REPLICA_NOT_AVAILABLE",
    "REQUEST_TIMED_OUT",
    "UNKNOWN_LEADER_EPOCH",
    "_ALL_BROKERS_DOWN",
    "_DESTROY_BROKER",  # the connection it was asked over was given up
    "_TIMED_OUT",
    "_TRANSPORT",
    "_UNKNOWN_PARTITION",  # what this client knows of the topic is only coming
    "_WAIT_COORD",
}
_Answer = TypeVar("_Answer")


class OffsetsMissing(Exception):
    """A group that has run before has no offset of ours for a partition.

    Going on from the start would send what was sent before. `hookstream offsets` says where each
    group stands and sets it to where it should go on.
    """


def committed(kafka: KafkaSettings, group: str, topic: str, partitions: int) -> dict[int, Any]:
    """partition -> `Committed`, or None where the group's commit is missing or not ours."""
    asked = [TopicPartition(kafka.topic(topic), p) for p in range(partitions)]
    found = waited_out(lambda n: _asker(kafka, group, n).committed(asked, timeout=_TRY_S))
    return {p.partition: Committed.parse(p.offset, p.metadata) for p in found}


@lru_cache(maxsize=_KEPT)
def _asker(kafka: KafkaSettings, group: str, attempt: int) -> Consumer:
    """A client that knows the group's coordinator and never joins it.

    No admin client: told that the coordinator is another by now, its answer crashes the process
    (librdkafka 2.16, `rd_kafka_handle_OffsetFetch`).
    """
    return Consumer(
        kafka.client(f"hookstream-asks-{attempt}")
        | {"group.id": kafka.group_prefix + group, "enable.auto.commit": False, "log_level": 2}
    )


def set_offsets(kafka: KafkaSettings, group: str, topic: str, offsets: dict[int, int]) -> None:
    """Make the (stopped) group go on at `offsets`, with metadata of ours."""
    wanted = [
        TopicPartition(
            kafka.topic(topic), p, offset, metadata=Window(Committed(offset=offset)).metadata(0)
        )
        for p, offset in offsets.items()
    ]
    request = ConsumerGroupTopicPartitions(kafka.group_prefix + group, wanted)

    def ask(attempt: int) -> None:
        answer = admin_client(kafka, attempt).alter_consumer_group_offsets([request])
        for partition in next(iter(answer.values())).result(_TIMEOUT_S).topic_partitions:
            if partition.error is not None:
                raise KafkaException(partition.error)

    waited_out(ask)


def waited_out(ask: Callable[[int], _Answer]) -> _Answer:
    """What `ask` answers once a broker is found that knows (a group's coordinator, a partition's
    leader), within 15 s; then KafkaException.

    `ask` gets the number of the attempt: a broker that is only starting may never answer a request,
    so that some ask by a new client each time.
    """
    deadline = time.monotonic() + _TIMEOUT_S
    for attempt in itertools.count():
        try:
            return ask(attempt)
        except KafkaException as error:
            if error.args[0].name() not in _PASSING or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)
    raise AssertionError("counting never ends")


def start_group(kafka: KafkaSettings, noted: GroupNote | None, note: GroupNote) -> bool:
    """Give a group that never ran its first offsets; True if `note` is to be written to config.

    Raises `OffsetsMissing` for a noted group that lacks an offset of ours. Two members that start
    together do the same thing twice; a group that has members already refuses, and is left alone.
    A topic, or partitions of one, that came after the note are begun like those of a new group.
    """
    known = noted.partitions if noted else {}
    whole = True
    for topic, partitions in note.partitions.items():
        found = committed(kafka, note.group, topic, partitions)
        missing = [p for p in range(partitions) if found.get(p) is None]
        lost = [p for p in missing if p < known.get(topic, 0)]
        if lost:
            raise OffsetsMissing(
                f"group {kafka.group_prefix}{note.group} has no offset of ours for {topic}"
                f" {lost}: `hookstream offsets` shows and sets them"
            )
        if missing and not begin(kafka, note.group, topic, missing):
            whole = False
    return noted is None or (whole and noted != note)


def begin(kafka: KafkaSettings, group: str, topic: str, missing: list[int]) -> bool:
    """Give a group without members its first offsets; False where it has members: they do."""
    try:
        set_offsets(kafka, group, topic, dict.fromkeys(missing, 0))
    except KafkaException as error:
        if error.args[0].name() not in {"NON_EMPTY_GROUP", "UNKNOWN_MEMBER_ID"}:
            raise
        return False
    return True
