"""What a turn may still write when its partition has gone to another process (once.md 4)."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice

import msgspec
import pytest

from hookstream.model.records import Dead, Outcome
from hookstream.stream.codec import Codec
from hookstream.stream.dead import DeadLetters
from hookstream.stream.partitioning import Partitioning
from hookstream.stream.record import Assignment, Record
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.settled import Settled
from hookstream.stream.table import Table
from hookstream.stream.topics import DEAD, DELIVERIES, OUTCOMES, RETRY
from hookstream.stream.window import Committed
from hookstream.stream.writer import Answer, Writer
from services.deliverer.ending import Ending
from services.deliverer.partition import Partition
from services.deliverer.passage import Passage
from services.deliverer.settle import TOGETHER_S, Settler
from tests.fixtures.kafka import read_all, wait_until
from tests.fixtures.taking_less import PROBE, take_less
from tests.unit.values import a_delivery

WITHIN_S = 40
TURNS = 60
RETRYING = Ending(result="retrying", reason="http_500", next_due_at_ms=2**41)
SUCCEEDED = Ending(result="succeeded")


@pytest.mark.parametrize("ending", [SUCCEEDED, RETRYING], ids=["succeeded", "retrying"])
def test_a_turn_of_a_partition_that_went_to_another_settles_nothing(
    kafka: KafkaSettings, ending: Ending
) -> None:
    """Its outcome is `superseded`, it has no successor, and its offset stays where it is."""
    assignment = Assignment(DELIVERIES, 0, Committed(offset=0), deque())
    assignment.alive = False
    delivery, then = a_delivery(), list[Passage]()
    passage = Passage(Record(assignment, 0, 1, b"lane", {}, b""), delivery, "0" * 16)
    writer, codec = Writer(kafka, "tests", on_fatal=print), Codec()
    table = Table(kafka, "tests-config")
    table.catch_up(30)
    dead = DeadLetters(writer, codec, print)
    settler = Settler(writer, codec, dead, Partitioning(table, writer), print)
    settler.settle(passage, ending, then.append)
    wait_until(lambda: then == [passage], WITHIN_S)
    assert writer.close(WITHIN_S)
    table.close()
    outcomes = [seen.value for seen in read_all(kafka, OUTCOMES)]
    assert [o.result for o in outcomes if isinstance(o, Outcome)] == ["superseded"]
    assert read_all(kafka, RETRY) == []
    assert not assignment.events


def test_next_turns_that_are_due_later_are_written_together(kafka: KafkaSettings) -> None:
    """Turn by turn, each begun when the broker has the outcome of the one before: their successors
    go out by the tenth of a second, and all of them do."""
    assignment = Assignment(DELIVERIES, 0, Committed(offset=0), deque())
    assignment.state = Partition(Settled(), 0, lambda: True)

    async def run() -> tuple[set[int], float]:
        aio, ended, seen = asyncio.get_running_loop(), asyncio.Event(), set[int]()
        done, numbers, began = list[Passage](), iter(range(TURNS)), time.monotonic()

        def dispatch(answers: Sequence[Answer]) -> None:
            for on_ack, ack in answers:
                aio.call_soon_threadsafe(on_ack, ack)

        writer, codec = Writer(kafka, "tests", on_fatal=print, dispatch=dispatch), Codec()
        table = Table(kafka, "tests-config")
        table.catch_up(30)
        parts = (DeadLetters(writer, codec, print), Partitioning(table, writer))
        settler = Settler(writer, codec, *parts, lambda _: None, lambda step: reached(step))

        def reached(step: str) -> None:
            if step == "outcome acknowledged":
                seen.add(writer.sent.get(RETRY, 0))
                begin()

        def begin() -> None:
            for number in islice(numbers, 1):
                record = Record(assignment, number, 1, b"lane", {}, b"")
                passage = Passage(record, a_delivery(id=f"del_{number}"), "0" * 16)
                settler.settle(passage, RETRYING, then)

        def then(passage: Passage) -> None:
            done.append(passage)
            if len(done) == TURNS:
                ended.set()

        begin()
        await asyncio.wait_for(ended.wait(), WITHIN_S)
        took_s = time.monotonic() - began
        await aio.run_in_executor(None, writer.close)
        table.close()
        return seen, took_s

    seen, took_s = asyncio.run(run())
    assert len(read_all(kafka, RETRY)) == TURNS
    assert len(seen - {0}) <= took_s / TOGETHER_S + 1
    assert len([log for _, _, log in assignment.events if log is None]) == TURNS


def test_a_dead_letter_has_what_was_decoded_where_its_bytes_were_let_go(
    kafka: KafkaSettings,
) -> None:
    """While a turn is open only one of the two is kept; a person is to see it all the same."""
    assignment = Assignment(DELIVERIES, 0, Committed(offset=0), deque())
    writer, codec = Writer(kafka, "tests", on_fatal=print), Codec()
    record = Record(assignment, 7, 1, b"lane", {}, codec.encode(a_delivery()))
    record.value = a_delivery()
    record.let_go()
    DeadLetters(writer, codec, print).put(record, "too_large", "the outcome is too large")
    assert writer.close(WITHIN_S)
    [dead] = [seen.value for seen in read_all(kafka, DEAD)]
    assert isinstance(dead, Dead)
    assert dead.raw is not None
    assert codec.decode(dead.raw) == a_delivery()
    assert [(offset, log) for _, offset, log in assignment.events] == [(7, None)]


def test_a_dead_letter_fits_on_its_topic_whatever_the_record_was(kafka: KafkaSettings) -> None:
    """A batch that was packed may bring a key and an id of megabytes; and the topic of somebody may
    take less than ours: then what could be read of the record is all that is told."""
    big = a_delivery().event
    big = msgspec.structs.replace(big, id="i" * 4_000_000, type="t" * 4_000_000)
    take_less(kafka, DEAD, 65_536)
    assignment = Assignment(DELIVERIES, 0, Committed(offset=0), deque())
    writer, codec = Writer(kafka, "tests", on_fatal=print), Codec()
    record = Record(assignment, 7, 1, b"k" * 4_000_000, {}, os.urandom(4_000_000))
    DeadLetters(writer, codec, print).put(record, "invalid_id", "d" * 4_000_000, big)
    wait_until(lambda: bool(assignment.events), WITHIN_S)
    assert writer.close(WITHIN_S)
    [dead] = [seen.value for seen in read_all(kafka, DEAD) if seen.key != PROBE]
    assert isinstance(dead, Dead)
    assert (dead.raw, dead.truncated, dead.event) == (b"", True, "i" * 512)
    assert dead.key == b"k" * 1024
