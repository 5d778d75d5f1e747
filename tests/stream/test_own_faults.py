"""A fault of ours in a thread nobody waits for: told, so that the process ends. In silence the
thread would end alone, and what it is there for with it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from time import sleep
from typing import Any

import pytest

from hookstream.model.records import Workspace
from hookstream.process.health import Health
from hookstream.process.logs import Logs
from hookstream.process.run import Context
from hookstream.process.settings import Environment
from hookstream.process.streaming import Streaming
from hookstream.process.telemetry import TelemetrySettings, make
from hookstream.stream.loop import Handler
from hookstream.stream.record import Assignment
from hookstream.stream.registry import RegistrySettings
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.topics import DEAD, EVENTS, OUTCOMES
from hookstream.stream.writer import Ack, Writer
from tests.fixtures.kafka import put, wait_until

WITHIN_S = 40


def faulty(*_: Any) -> None:
    raise ZeroDivisionError("a fault of ours")


def test_an_answer_that_is_not_handled_is_told_and_the_next_are(kafka: KafkaSettings) -> None:
    told: list[str] = []
    next_one = threading.Event()
    writer = Writer(kafka, "tests", on_fatal=told.append)
    writer.produce(DEAD, b"1", faulty)
    wait_until(lambda: bool(told), WITHIN_S)
    writer.produce(DEAD, b"2", lambda _: next_one.set())
    assert next_one.wait(WITHIN_S)
    assert writer.close(WITHIN_S)
    assert ["a fault of ours" in each for each in told] == [True]


def test_config_that_is_not_followed_any_more_is_told(kafka: KafkaSettings) -> None:
    told: list[str] = []
    table = Table(kafka, "tests-config")
    table.on_fault = told.append
    table.catch_up(30)
    table.on_change(faulty)
    table.follow()
    put(kafka, Workspace(id="ws", version=1, name="Ours"))
    wait_until(lambda: bool(told), WITHIN_S)
    table.close()
    assert "a fault of ours" in told[0]


def test_what_fails_for_all_that_waits_is_told_once(kafka: KafkaSettings) -> None:
    told: list[str] = []
    answered: list[Ack] = []
    writer = Writer(kafka, "tests", on_fatal=told.append)
    for _ in range(50):
        writer.produce(DEAD, b"1", answered.append, partition=99)
    wait_until(lambda: len(answered) == 50, WITHIN_S)
    assert writer.close(WITHIN_S)
    assert len(told) == 1, told
    assert "producing failed" in told[0]


class Slow(Handler):
    """Is given partitions, and takes a moment to give them back."""

    def __init__(self) -> None:
        self.has_some, self.has_closed = threading.Event(), False

    def assigned(self, taken: Sequence[Assignment]) -> Mapping[tuple[str, int], int]:
        if taken:
            self.has_some.set()
        return {}

    def revoked(self, going: Sequence[Assignment], within_s: float) -> None:
        sleep(1)
        self.has_closed = True


class Faulty(Handler):
    """Fails once the other one has partitions."""

    def __init__(self, other: Slow) -> None:
        self.other = other

    def turned(self) -> None:
        if self.other.has_some.is_set():
            faulty()


async def test_where_one_loop_fails_the_others_leave_their_groups_before_the_process_ends(
    kafka: KafkaSettings,
) -> None:
    async with opened(kafka, {"slow": [OUTCOMES], "faulty": [EVENTS]}) as streaming:
        slow = Slow()
        streaming.loop("slow", slow, kind=None)
        streaming.loop("faulty", Faulty(slow), kind=None)
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(streaming.run(asyncio.Event()), WITHIN_S)
        assert slow.has_closed


async def test_an_answer_that_is_not_handled_on_the_event_loop_ends_the_service(
    kafka: KafkaSettings,
) -> None:
    async with opened(kafka, {}) as streaming:
        streaming.writer.produce(DEAD, b"1", faulty)
        with pytest.raises(RuntimeError, match="a fault of ours"):
            await asyncio.wait_for(streaming.run(asyncio.Event()), WITHIN_S)


@asynccontextmanager
async def opened(
    kafka: KafkaSettings, reads: Mapping[str, Sequence[str]]
) -> AsyncIterator[Streaming]:
    """A service's end of Kafka, open."""
    environ = {
        "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HOOKSTREAM_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
        "HOOKSTREAM_KAFKA_GROUP_PREFIX": kafka.group_prefix,
    }
    environment = Environment(environ, (KafkaSettings, RegistrySettings))
    telemetry, logs = make("ingest", "0", TelemetrySettings()), Logs("ingest")
    streaming = Streaming(Context(environment, logs, Health(), telemetry), "ingest", reads)
    assert await streaming.open(asyncio.Event(), answers_here=True)
    try:
        yield streaming
    finally:
        await streaming.close()
        telemetry.shutdown()
        logs.close()
