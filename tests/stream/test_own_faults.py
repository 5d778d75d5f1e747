"""A fault of ours in a thread nobody waits for: told, so that the process ends. In silence the
thread would end alone, and what it is there for with it."""

import asyncio
import threading
from typing import Any

import pytest

from hookstream.model.records import Workspace
from hookstream.process.health import Health
from hookstream.process.logs import Logs
from hookstream.process.run import Context
from hookstream.process.settings import Environment
from hookstream.process.streaming import Streaming
from hookstream.process.telemetry import TelemetrySettings, make
from hookstream.stream.registry import RegistrySettings
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.topics import DEAD
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


async def test_an_answer_that_is_not_handled_on_the_event_loop_ends_the_service(
    kafka: KafkaSettings,
) -> None:
    environ = {
        "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HOOKSTREAM_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
        "HOOKSTREAM_KAFKA_GROUP_PREFIX": kafka.group_prefix,
    }
    environment = Environment(environ, (KafkaSettings, RegistrySettings))
    telemetry, logs = make("ingest", "0", TelemetrySettings()), Logs("ingest")
    streaming = Streaming(Context(environment, logs, Health(), telemetry), "ingest", {})
    stop = asyncio.Event()
    assert await streaming.open(stop, answers_here=True)
    streaming.writer.produce(DEAD, b"1", faulty)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await asyncio.wait_for(streaming.run(stop), WITHIN_S)
    await streaming.close()
    telemetry.shutdown()
    logs.close()
