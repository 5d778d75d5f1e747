"""An offset below its log's start: what was deleted unread is counted, told and shown as lost."""

import json

import httpx2
import pytest
from click.testing import CliRunner
from confluent_kafka import TopicPartition

from hookstream.embedded.ports import HOST, free_port
from hookstream.model.records import Dead, GroupNote
from hookstream.stream.admin import admin_client
from hookstream.stream.bounds import bounds
from hookstream.stream.gap import Gap
from hookstream.stream.groups import committed, set_offsets, start_group
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import DEAD, EVENTS
from services.cli import offsets
from services.cli.brokers import KAFKA_ADDRESS
from tests.fixtures.kafka import PARTITIONS, produce, put, read_all, wait_until
from tests.started import started
from tests.stream.looping import looping

GROUP = "lost"
WITHIN_S = 40
NOTE = GroupNote(group=GROUP, partitions={EVENTS: PARTITIONS})


def sent(kafka: KafkaSettings, *numbers: int) -> list[bytes]:
    """Records that all come into one partition."""
    records = [b"%d" % number for number in numbers]
    produce(kafka, EVENTS, *((b"key", record) for record in records))
    return records


def partition(kafka: KafkaSettings) -> int:
    """Where they are."""
    return next(p for p, bound in bounds(kafka, EVENTS, PARTITIONS).items() if bound.end)


def delete_below(kafka: KafkaSettings, offset: int) -> None:
    """As retention does."""
    at = TopicPartition(kafka.topic(EVENTS), partition(kafka), offset)
    admin = admin_client(kafka)
    for deleted in admin.delete_records([at], request_timeout=WITHIN_S).values():
        assert deleted.result(WITHIN_S).low_watermark == offset


def commit(kafka: KafkaSettings) -> int:
    found: int = committed(kafka, GROUP, EVENTS, PARTITIONS)[partition(kafka)].offset
    return found


def test_what_was_deleted_before_it_was_read_is_told_and_the_rest_goes_on(
    kafka: KafkaSettings,
) -> None:
    records = sent(kafka, *range(60))
    start_group(kafka, None, NOTE)
    set_offsets(kafka, GROUP, EVENTS, {partition(kafka): 10})
    delete_below(kafka, 50)
    with looping(kafka, GROUP) as (loop, handler):
        wait_until(lambda: handler.seen == records[50:], WITHIN_S)
        assert handler.gaps == [Gap(EVENTS, partition(kafka), 10, 50, 40)]
        wait_until(lambda: commit(kafka) == 60, WITHIN_S)
        handler.is_full = True  # now retention is faster than a loop that runs
        wait_until(lambda: loop._all_paused, WITHIN_S)
        late = sent(kafka, *range(60, 100))
        delete_below(kafka, 95)
        handler.is_full = False
        wait_until(lambda: handler.seen == records[50:] + late[-5:], WITHIN_S)
        wait_until(lambda: commit(kafka) == 100, WITHIN_S)
        assert handler.gaps[1:] == [Gap(EVENTS, partition(kafka), 60, 95, 35)]


def test_a_log_with_nothing_left_is_told_too_and_its_commit_moves_on(kafka: KafkaSettings) -> None:
    sent(kafka, *range(20))
    start_group(kafka, None, NOTE)
    delete_below(kafka, 20)
    with looping(kafka, GROUP) as (_, handler):
        wait_until(lambda: handler.gaps, WITHIN_S)
        wait_until(lambda: commit(kafka) == 20, WITHIN_S)
    assert [gap.records for gap in handler.gaps] == [20]


def test_a_service_counts_it_alarms_and_shows_it(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    sent(kafka, *range(30))
    router = GroupNote(group="router", partitions={EVENTS: PARTITIONS})
    start_group(kafka, None, router)
    put(kafka, router)
    delete_below(kafka, 30)
    assert "30 deleted before they were read" in shown(kafka, monkeypatch)
    port = free_port()
    with started(kafka, "router", PROCESS_HEALTH_PORT=str(port)) as process:
        wait_until(lambda: read_all(kafka, DEAD), WITHIN_S)
        metrics = httpx2.get(f"http://{HOST}:{port}/metrics", timeout=30, trust_env=False).text
        process.terminate()  # killed, it may take lines along that it has not written yet
        process.wait(WITHIN_S)
    [dead] = [seen.value for seen in read_all(kafka, DEAD)]
    assert isinstance(dead, Dead)
    assert (dead.reason, dead.topic, dead.offset) == ("lost", EVENTS, 0)
    assert "30 records" in dead.detail
    counted = [line for line in metrics.splitlines() if line.startswith("hookstream_consumer_lost")]
    assert [line.split()[-1] for line in counted] == ["30.0"], metrics
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line[:1] == "{"]
    assert any("deleted before they were read" in str(line) for line in lines)


def shown(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `hookstream offsets` says."""
    monkeypatch.setenv(KAFKA_ADDRESS, kafka.bootstrap_servers)
    monkeypatch.setenv("HOOKSTREAM_KAFKA_TOPIC_PREFIX", kafka.topic_prefix)
    monkeypatch.setenv("HOOKSTREAM_KAFKA_GROUP_PREFIX", kafka.group_prefix)
    answer = CliRunner().invoke(offsets.command)
    assert answer.exit_code == 0, answer.output
    return answer.output
