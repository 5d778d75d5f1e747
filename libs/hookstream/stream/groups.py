"""A consumer group's first start, so that lost offsets are never taken for one (once.md 3)."""

import itertools
import time
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from hookstream.model.records import GroupNote
from hookstream.stream.admin import admin_client
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.window import Committed, Window

_TIMEOUT_S = 15
_TRY_S = 2.0
_AGAIN_S = 0.1
_PASSING = {
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_COORDINATOR",
    "_TIMED_OUT",
}


class OffsetsMissing(Exception):
    """A group that has run before has no offset of ours for a partition.

    Going on from the start would send what was sent before. `hookstream offsets` says where each
    group stands and sets it to where it should go on.
    """


def committed(kafka: KafkaSettings, group: str, topic: str, partitions: int) -> dict[int, Any]:
    """partition -> `Committed`, or None where the group's commit is missing or not ours."""
    asked = [TopicPartition(kafka.topic(topic), p) for p in range(partitions)]
    request = ConsumerGroupTopicPartitions(kafka.group_prefix + group, asked)
    deadline = time.monotonic() + _TIMEOUT_S
    for attempt in itertools.count():
        # Asked anew, by a new client: a broker that is only starting may never answer a request.
        admin = admin_client(kafka, attempt)
        answer = admin.list_consumer_group_offsets(
            [request], require_stable=True, request_timeout=_TRY_S
        )
        try:
            found = next(iter(answer.values())).result(_TIMEOUT_S).topic_partitions
        except KafkaException as error:
            if error.args[0].name() not in _PASSING or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)
        else:
            return {p.partition: Committed.parse(p.offset, p.metadata) for p in found}
    raise AssertionError("counting never ends")


def set_offsets(kafka: KafkaSettings, group: str, topic: str, offsets: dict[int, int]) -> None:
    """Make the (stopped) group go on at `offsets`, with metadata of ours."""
    admin = admin_client(kafka)
    wanted = [
        TopicPartition(
            kafka.topic(topic), p, offset, metadata=Window(Committed(offset=offset)).metadata(0)
        )
        for p, offset in offsets.items()
    ]
    request = ConsumerGroupTopicPartitions(kafka.group_prefix + group, wanted)
    answer = admin.alter_consumer_group_offsets([request])
    for partition in next(iter(answer.values())).result(_TIMEOUT_S).topic_partitions:
        if partition.error is not None:
            raise KafkaException(partition.error)


def start_group(kafka: KafkaSettings, noted: GroupNote | None, note: GroupNote) -> bool:
    """Give a group that never ran its first offsets; True if `note` is to be written to config.

    Raises `OffsetsMissing` for a noted group that lacks an offset of ours. Two members that start
    together do the same thing twice; a group that has members already refuses, and is left alone.
    """
    fresh = noted is None
    for topic, partitions in note.partitions.items():
        found = committed(kafka, note.group, topic, partitions)
        missing = [p for p in range(partitions) if found.get(p) is None]
        if missing and not fresh:
            raise OffsetsMissing(
                f"group {kafka.group_prefix}{note.group} has no offset of ours for {topic}"
                f" {missing}: `hookstream offsets` shows and sets them"
            )
        if missing:
            _begin(kafka, note.group, topic, missing)
    return fresh


def _begin(kafka: KafkaSettings, group: str, topic: str, missing: list[int]) -> None:
    try:
        set_offsets(kafka, group, topic, dict.fromkeys(missing, 0))
    except KafkaException as error:
        if error.args[0].name() not in {"NON_EMPTY_GROUP", "UNKNOWN_MEMBER_ID"}:
            raise
