"""`topics resize` step by step, without services: refusals, giving up, going on, groups."""

from collections.abc import Iterator

import pytest
from confluent_kafka.cimpl import NewPartitions

from hookstream.model.records import GroupNote, TopicsNote
from hookstream.stream import resize as resizing
from hookstream.stream.admin import admin_client
from hookstream.stream.groups import committed, start_group
from hookstream.stream.open import NotReady, check_partitions
from hookstream.stream.resize import CannotResize, Resize
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.topics import DELIVERIES, EVENTS, OUTCOMES, RETRY, partition_counts
from hookstream.stream.writer import Writer
from tests.fixtures.kafka import PARTITIONS, produce, put, wait_until

GROWN = 2 * PARTITIONS
WITHIN_S = 60


class Killed(Exception):
    """As if the command had been killed."""


class Command:
    """Runs of the command; `lines` is what it told. `kill_at`: it ends with that line."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.lines: list[str] = []
        self.kill_at: str | None = None
        self._table = Table(kafka, "tests-resize")
        self._writer = Writer(kafka, "tests-resize", on_fatal=print)
        self.resize = Resize(kafka, self._table, self._writer, self._tell)

    def _tell(self, line: str) -> None:
        self.lines.append(line)
        if self.kill_at and line.startswith(self.kill_at):
            self.kill_at = None
            raise Killed

    def killed_at(self, line: str) -> None:
        self.kill_at = line
        with pytest.raises(Killed):
            self.resize.run(GROWN, None, WITHIN_S)

    def noted(self) -> TopicsNote:
        self._table.catch_up()
        assert self._table.config.topics is not None
        return self._table.config.topics

    def groups(self) -> dict[str, GroupNote]:
        self._table.catch_up()
        return self._table.config.groups

    def close(self) -> None:
        self._writer.close()
        self._table.close()


def until_grown(kafka: KafkaSettings, topic: str, partitions: int) -> None:
    """The controller has made them; brokers say so a moment later."""
    wait_until(lambda: partition_counts(kafka).partitions[topic] == partitions)


@pytest.fixture
def command(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    monkeypatch.setattr(resizing, "STILL_S", 0.5)  # nobody writes here
    made = Command(kafka)
    yield made
    made.close()


def test_given_up_begun_again_and_finished(kafka: KafkaSettings, command: Command) -> None:
    group = GroupNote(group="deliverer", partitions={DELIVERIES: PARTITIONS})
    assert start_group(kafka, None, group)
    put(kafka, group)
    with pytest.raises(CannotResize, match="no resize"):
        command.resize.abort()
    command.killed_at("draining")
    assert command.noted().growing == {DELIVERIES: GROWN, OUTCOMES: GROWN}
    with pytest.raises(CannotResize, match="--partitions 8"):
        command.resize.run(4 * PARTITIONS, None, WITHIN_S)
    command.resize.abort()
    assert command.noted() == partition_counts(kafka)

    command.killed_at("outcomes: 4 to 8")
    with pytest.raises(CannotResize, match="too late"):
        command.resize.abort()
    check_partitions(kafka, command.noted())
    command.resize.run(GROWN, None, WITHIN_S)
    noted = command.noted()
    assert noted.growing == {}
    assert [growth.partitions for growth in noted.growth] == [PARTITIONS]
    assert (noted.partitions[DELIVERIES], noted.partitions[RETRY]) == (GROWN, PARTITIONS)
    # A group without members is given offsets; config knows from then on that it has them.
    assert None not in committed(kafka, "deliverer", DELIVERIES, GROWN).values()
    assert command.groups()["deliverer"].partitions == {DELIVERIES: GROWN}

    # Once more, with events; what was grown by another tool is caught up with.
    check_partitions(kafka, noted)
    new = [NewPartitions(kafka.topic(DELIVERIES), 2 * GROWN)]
    admin = admin_client(kafka)
    for grown in admin.create_partitions(new, request_timeout=WITHIN_S).values():
        grown.result(WITHIN_S)
    until_grown(kafka, DELIVERIES, 2 * GROWN)
    with pytest.raises(NotReady, match="topics resize"):
        check_partitions(kafka, noted)
    with pytest.raises(CannotResize, match="never shrinks"):
        command.resize.run(GROWN, None, WITHIN_S)
    command.resize.run(2 * GROWN, 3 * PARTITIONS, WITHIN_S)
    check_partitions(kafka, command.noted())
    assert command.noted().partitions[EVENTS] == 3 * PARTITIONS
    assert [growth.partitions for growth in command.noted().growth] == [PARTITIONS, GROWN]


def test_begun_again_before_brokers_say_that_a_topic_has_grown(
    kafka: KafkaSettings, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = partition_counts(kafka)
    command.killed_at("outcomes: 4 to 8")
    monkeypatch.setattr(resizing, "partition_counts", lambda _: before)
    command.resize.run(GROWN, None, WITHIN_S)
    assert command.noted().growing == {}
    check_partitions(kafka, command.noted())


def test_what_does_not_drain_in_time_goes_on_as_before(
    kafka: KafkaSettings, command: Command
) -> None:
    produce(kafka, DELIVERIES, ("lane", b"nobody reads this"))
    with pytest.raises(CannotResize, match="not finished within 2 s"):
        command.resize.run(GROWN, None, 2)
    assert command.noted() == partition_counts(kafka)
    assert any("1 deliveries are not finished" in line for line in command.lines)
