"""A loop whose group takes a new member goes on with what it keeps: also where it was full then, or
was asking just then whether it had been replaced."""

import pytest

from hookstream.model.records import GroupNote
from hookstream.stream import loop as of_loop
from hookstream.stream import topics
from hookstream.stream.groups import start_group
from hookstream.stream.settings import KafkaSettings
from tests.fixtures.kafka import PARTITIONS, produce, wait_until
from tests.stream.looping import looping

GROUP = "rebalanced"
TIMES = 3


def test_partitions_kept_in_a_rebalance_are_read_on_once_there_is_room(
    kafka: KafkaSettings,
) -> None:
    start_group(kafka, None, GroupNote(group=GROUP, partitions={topics.EVENTS: PARTITIONS}))
    with looping(kafka, GROUP) as (first, handler):
        wait_until(lambda: len(first.assignments) == PARTITIONS)
        handler.is_full = True
        wait_until(lambda: first._all_paused)
        with looping(kafka, GROUP) as (second, other):
            wait_until(lambda: len(first.assignments) == len(second.assignments) == 2)
            handler.is_full = False
            sent = [b"%d" % n for n in range(100)]
            produce(kafka, topics.EVENTS, *((b"%d" % n, raw) for n, raw in enumerate(sent)))
            wait_until(lambda: sorted(handler.seen + other.seen) == sorted(sent))
            assert handler.seen
            assert other.seen


def test_a_rebalance_under_way_is_no_sign_of_having_been_replaced(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a moment the broker is a generation ahead, and refuses a commit of the one before."""
    monkeypatch.setattr(of_loop, "STALL_S", 0.0)  # each turn is a stall, and followed by a commit
    start_group(kafka, None, GroupNote(group=GROUP, partitions={topics.EVENTS: PARTITIONS}))
    with looping(kafka, GROUP) as (first, handler):
        for _ in range(TIMES):
            wait_until(lambda: len(first.assignments) == PARTITIONS)
            with looping(kafka, GROUP) as (second, other):
                wait_until(lambda: len(first.assignments) == len(second.assignments) == 2)
        wait_until(lambda: len(first.assignments) == PARTITIONS)
        assert handler.gone == other.gone == []
        assert all(assignment.alive for assignment in first.assignments.values())
