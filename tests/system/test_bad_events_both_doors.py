"""One table of bad events, two doors: each is refused at both, for the same reason."""

from collections.abc import Iterator

import pytest

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.postgres import EmbeddedPostgres
from hookstream.model.records import Dead
from hookstream.stream.codec import Codec
from hookstream.stream.topics import DEAD, DELIVERIES, EVENTS
from tests.fixtures.kafka import produce, put, wait_until
from tests.system.bad_events import BAD, CONFIG, GOOD, Bad, body_of, secret_of
from tests.system.shared import Shared, Tenant, shared

NAMES = [bad.name for bad in BAD]
CODEC = Codec()


@pytest.fixture(scope="module")
def running(broker: EmbeddedKafka, postgres: EmbeddedPostgres) -> Iterator[Shared]:
    """The two services that look at events; config comes from the test."""
    with shared(broker, postgres, services=("ingest", "router")) as system:
        put(system.kafka, *CONFIG)
        yield system


@pytest.fixture(scope="module")
def dead(running: Shared) -> dict[bytes, Dead]:
    """What became of each event of the table at Kafka's door, by its bytes there."""
    produce(running.kafka, EVENTS, *((b"any", CODEC.encode(bad.event)) for bad in BAD))
    wait_until(lambda: len(running.raw(DEAD)) >= len(BAD))
    found = [CODEC.decode(record.value or b"") for record in running.raw(DEAD)]
    assert len(found) == len(BAD)
    return {record.raw: record for record in found if isinstance(record, Dead)}


@pytest.fixture
def strict(running: Shared, bad: Bad) -> Iterator[Tenant]:
    """The workspace of the event, with its key."""
    ports, workspace = running.system.ports, bad.event.workspace
    made = Tenant(ports.console_url, ports.ingest_url, workspace, secret_of(workspace))
    yield made
    made.close()


@pytest.mark.parametrize("bad", BAD, ids=NAMES)
def test_over_http_a_bad_event_gets_a_problem_that_names_the_field(
    strict: Tenant, bad: Bad
) -> None:
    answer = strict.publish(body_of(bad.event))
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert 400 <= answer.status_code < 500
    assert told["status"] == answer.status_code
    assert (told["code"], told["field"]) == (bad.code, bad.http_field or bad.field)
    assert told["title"]
    assert told["detail"]


@pytest.mark.parametrize("bad", BAD, ids=NAMES)
def test_in_kafka_a_bad_event_is_dead_for_the_same_reason(
    running: Shared, dead: dict[bytes, Dead], bad: Bad
) -> None:
    record = dead[CODEC.encode(bad.event)]
    assert record.reason == bad.code
    assert bad.field.partition(".")[0] in record.detail
    assert (record.workspace, record.event) == (bad.event.workspace, bad.event.id)
    assert record.topic == EVENTS


def test_no_bad_event_becomes_a_delivery_and_the_partition_goes_on(
    running: Shared, dead: dict[bytes, Dead]
) -> None:
    produce(running.kafka, EVENTS, (b"any", CODEC.encode(GOOD)), (b"any", b"no record at all"))
    wait_until(lambda: len(running.raw(DEAD)) == len(BAD) + 1)
    assert running.raw(DELIVERIES) == []
    over_http = {r.key for r in running.raw(EVENTS)} - {b"any"}
    assert over_http == set(), "ingest let a bad event pass"
