"""An offset that its log no longer has: what was deleted before it was read is lost, and told.

Retention, or somebody's hand, has deleted records that a group had not read. A consumer goes on at
what is left; that it does so in silence is what this is against.
"""

import logging
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from hookstream.stream.record import Assignment
from hookstream.stream.window import Committed, Window

_TIMEOUT_S = 5
logger = logging.getLogger(__name__)


class Gap(NamedTuple):
    """Records of one partition that were deleted unread."""

    topic: str
    """Without the prefix."""
    partition: int
    start: int
    end: int
    """Reading goes on here."""
    records: int
    """At most so many: of a log with transactions some offsets are not records."""

    def __str__(self) -> str:
        return (
            f"{self.records} records of {self.topic} [{self.partition}], offsets {self.start} to"
            f" {self.end - 1}, were deleted before they were read: retention is too short, or"
            " reading stood still for too long"
        )


def step_over(consumer: Consumer, name: str, assignment: Assignment, *, paused: bool) -> Gap | None:
    """Let the partition go on where its log begins; what is lost by that, if anything.

    The topic was made anew or cut short if its end is below what was read of it: then all that it
    has is new. Where Kafka does not answer, reading is tried again and ends up here again.
    """
    position = assignment.window.next
    start, gap = position, None
    at = TopicPartition(name, assignment.partition)
    try:
        start, end = consumer.get_watermark_offsets(at, timeout=_TIMEOUT_S)
    except KafkaException:
        end = position
    if end < position:
        assignment.window = Window(Committed(offset=start))
    elif unread := assignment.window.skip_to(start):
        gap = Gap(assignment.topic, assignment.partition, position, start, unread)
        logger.error("lost: %s", gap, extra={"fields": gap._asdict()})
    # A partition that lost its place cannot be sought: it is given back, and taken where it goes on
    consumer.incremental_unassign([at])
    consumer.incremental_assign([TopicPartition(name, assignment.partition, start)])
    if paused:
        consumer.pause([at])
    return gap
