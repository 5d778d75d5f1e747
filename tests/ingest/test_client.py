"""For users: the client's two publishers and the documented example, against the real thing."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hookstream.client import HttpPublisher, KafkaPublisher, NotPublished, Unknown
from hookstream.model.checks import check_data, check_fields
from hookstream.model.records import Event
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import EVENTS
from tests.fixtures.kafka import Seen, read_all
from tests.ingest.started import Started
from tests.system.bad_events import secret_of

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def the_event(kafka: KafkaSettings, event_id: str) -> tuple[Event, Seen]:
    """The one event with this id on the topic."""
    found = [s for s in read_all(kafka, EVENTS) if isinstance(s.value, Event)]
    (one,) = [s for s in found if isinstance(s.value, Event) and s.value.id == event_id]
    assert isinstance(one.value, Event)
    return one.value, one


def test_both_publishers_put_the_same_record_on_the_topic(
    topics: KafkaSettings, ingest: Started
) -> None:
    over_http = HttpPublisher(ingest.url, secret_of("open"))
    with over_http, KafkaPublisher(topics, "open") as straight:
        both: list[HttpPublisher | KafkaPublisher] = [over_http, straight]
        for number, events in enumerate(both):
            given = f"both_{number}"
            sent = events.publish(
                "order.paid", b'{"price": 1.10}', id=given, subject="order/1", created_at=AT
            )
            event, seen = the_event(topics, sent)
            assert event == Event(
                workspace="open",
                id=given,
                type="order.paid",
                created_at_ms=1_772_366_400_000,
                data=b'{"price": 1.10}',
                subject="order/1",
            )
            assert seen.key == b"open/order/1"


def test_both_publishers_say_what_is_wrong(topics: KafkaSettings, ingest: Started) -> None:
    over_http = HttpPublisher(ingest.url, secret_of("open"))
    with over_http, KafkaPublisher(topics, "open") as straight:
        both: list[HttpPublisher | KafkaPublisher] = [over_http, straight]
        for events in both:
            with pytest.raises(NotPublished, match="type") as refused:
                events.publish("not a type", {})
            assert (refused.value.code, refused.value.field) == ("invalid_type", "type")


def test_what_nobody_confirms_is_unknown_and_keeps_its_id() -> None:
    with HttpPublisher("http://127.0.0.1:9", "hk_x") as events:
        with pytest.raises(Unknown) as unknown:
            events.publish("a", {}, id="mine")
        assert unknown.value.event_id == "mine"


def test_the_documented_kafka_example_publishes_an_event(kafka: KafkaSettings) -> None:
    text = (ROOT / "docs/publishing.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for ours, here in (
        ("127.0.0.1:9092", kafka.bootstrap_servers),
        ("hookstream.events", kafka.topic(EVENTS)),
    ):
        assert code.count(ours) == 1
        code = code.replace(ours, here)
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert ran.returncode == 0, ran.stderr
    assert "is at offset 0" in ran.stdout
    ((event, seen),) = [(s.value, s) for s in read_all(kafka, EVENTS)]
    assert isinstance(event, Event)
    assert check_fields(event) is None
    assert check_data(event.data, 1000) is None
    assert (event.type, event.workspace) == ("contact.created", "my-workspace")
    assert seen.key == b"my-workspace/contact/7"
