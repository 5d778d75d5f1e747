"""Dead letters where the producer's queue is full: they wait for room, nothing waits for them."""

from collections import deque
from functools import partial

import pytest

from hookstream.embedded.ports import HOST, free_port
from hookstream.stream import writer as producing
from hookstream.stream.codec import Codec
from hookstream.stream.dead import DeadLetters
from hookstream.stream.record import Assignment, Record
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import DEAD, EVENTS, RETRY
from hookstream.stream.window import Committed
from hookstream.stream.writer import Ack, Full, Writer
from tests.fixtures.kafka import read_all, wait_until

WITHIN_S = 40
ROOM, EACH = 3, 4


def records(count: int) -> list[Record]:
    assignment = Assignment(EVENTS, 0, Committed(offset=0), deque())
    return [Record(assignment, number, 1, b"key", {}, b"raw" * 100) for number in range(count)]


def test_a_dead_letter_that_an_answer_leads_to_waits_for_room_and_the_answers_go_on(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are put on the very thread that makes room by taking answers."""
    monkeypatch.setattr(producing, "QUEUE_MESSAGES", ROOM)
    writer = Writer(kafka, "tests", on_fatal=print)
    dead = DeadLetters(writer, Codec(), lambda _: None)
    bad = records(ROOM * EACH)

    def refuse(some: list[Record], _: Ack) -> None:
        for record in some:
            dead.put(record, "too_large", "as a test wants it")

    for first in range(0, len(bad), EACH):
        writer.produce(RETRY, b"1", partial(refuse, bad[first : first + EACH]))
    events = bad[0].assignment.events
    wait_until(lambda: len(events) == len(bad), WITHIN_S)
    assert writer.close(WITHIN_S)
    assert {offset for _, offset, _ in events} == set(range(len(bad)))
    assert len(read_all(kafka, DEAD)) == len(bad)


def test_what_is_put_while_there_is_no_room_is_there_when_the_writer_is_closed(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "QUEUE_MESSAGES", 1)
    writer = Writer(kafka, "tests", on_fatal=print)
    dead = DeadLetters(writer, Codec(), lambda _: None)
    for record in records(20):
        dead.put(record, "too_large", "as a test wants it")
    assert writer.close(WITHIN_S)
    assert len(read_all(kafka, DEAD)) == 20


def test_what_waits_for_room_is_bounded_and_the_process_ends_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(producing, "QUEUE_MESSAGES", 1)
    monkeypatch.setattr(producing, "LATE_BYTES", 1_000)
    told: list[str] = []
    nowhere = KafkaSettings(bootstrap_servers=f"{HOST}:{free_port()}")
    writer = Writer(nowhere, "tests", on_fatal=told.append)
    writer.produce(RETRY, b"1", lambda _: None)
    with pytest.raises(Full):
        writer.produce(RETRY, b"2", lambda _: None)
    dead = DeadLetters(writer, Codec(), lambda _: None)
    for record in records(20):
        dead.put(record, "too_large", "as a test wants it")
    assert len(told) == 1
    assert "wait for room" in told[0]
    assert 1 < len(writer) < 10
    assert not writer.close(0.1)
