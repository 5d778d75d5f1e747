"""What nobody can read goes to the dead topic with why, and the partition goes on."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from msgspec import Struct

from hookstream.model.records import Event, Workspace
from hookstream.stream.codec import Codec
from hookstream.stream.topics import DEAD, DELIVERIES, EVENTS, OUTCOMES, RETRY
from tests.fixtures.kafka import wait_until
from tests.system.receiving import PATHS
from tests.system.running import WORKSPACE, Running, running

WITHIN_S = 60
RAW = b"\xde\xad\xbe\xef"
UNKNOWN_SCHEMAS = [b"\xc3\x01" + b"unknown%d" % n + b"\x02\x02" for n in range(8)]
DUE = {"due": b"1", "lane": b"nobody", "delivery": b"d", "turn": b"1"}
Place = tuple[str, int, int]


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running() as started:
        yield started


def put(system: Running, topic: str, value: bytes | None, **headers: bytes) -> set[Place]:
    """Write this to every partition of a topic; where it stands."""
    places: set[Place] = set()
    producer = Producer(system.settings.client("tests"))
    for partition in system.ends(topic):
        producer.produce(
            system.settings.topic(topic),
            value,
            "poison",
            partition,
            headers=list(headers.items()),
            on_delivery=lambda _, m: places.add((topic, m.partition() or 0, m.offset() or 0)),
        )
    assert producer.flush(20) == 0
    return places


def dead(system: Running) -> dict[Place, str]:
    """Where what is dead came from, and why it is."""
    found = system.rows('SELECT topic, partition, "offset", reason, detail FROM dead')
    assert all(detail for *_, detail in found)
    return {(topic, partition, offset): reason for topic, partition, offset, reason, _ in found}


def encoded(record: Struct) -> bytes:
    return Codec().encode(record)


def goes_on(system: Running) -> None:
    """New events reach every webhook, in every partition, and the log."""
    load = system.load()
    load.by_http(40)
    load.by_kafka(40)
    load.settle()
    ids = list(load.accepted)
    wait_until(lambda: all(load.accepted <= system.receiver.taken(p) for p in PATHS), WITHIN_S)
    query = "SELECT count(*) FROM deliveries WHERE event = ANY(%s) AND state = 'succeeded'"
    wait_until(lambda: system.rows(query, ids) == [(len(ids) * len(PATHS),)], WITHIN_S)
    of_events = "SELECT count(*) FROM events WHERE id = ANY(%s)"
    wait_until(lambda: system.rows(of_events, ids) == [(len(ids),)], WITHIN_S)


OTHER = encoded(Workspace(id="w", version=1, name="a record that belongs on config"))


def test_a_poison_record_is_dead_with_why_and_the_partition_goes_on(system: Running) -> None:
    wanted: dict[Place, str] = {}
    for topic in (EVENTS, DELIVERIES, OUTCOMES, DEAD):
        wanted |= dict.fromkeys(put(system, topic, RAW), "undecodable")
        wanted |= dict.fromkeys(put(system, topic, None), "undecodable")
    wanted |= dict.fromkeys(put(system, EVENTS, OTHER), "not_an_event")
    wanted |= dict.fromkeys(put(system, DELIVERIES, OTHER), "not_a_delivery")
    wanted |= dict.fromkeys(put(system, OUTCOMES, OTHER), "not_an_outcome")
    wanted |= dict.fromkeys(put(system, OUTCOMES, RAW, delivery=b"d", result=b"?"), "undecodable")
    wanted |= dict.fromkeys(put(system, RETRY, RAW), "not_a_delivery")
    wanted |= dict.fromkeys(put(system, RETRY, RAW, **DUE | {"due": b"soon"}), "not_a_delivery")
    goes_on(system)
    wait_until(lambda: wanted.items() <= dead(system).items(), WITHIN_S)


def test_poison_on_retry_with_the_headers_of_a_delivery_is_dead_where_it_is_read(
    system: Running,
) -> None:
    before = dead(system).keys()
    put(system, RETRY, RAW, **DUE)
    wait_until(lambda: sum(p[0] == DELIVERIES for p in dead(system).keys() - before) == 4, WITHIN_S)
    goes_on(system)


def test_whoever_takes_over_reads_on_over_poison(system: Running) -> None:
    for service in ("router", "deliverer", "retry", "status"):
        system.system.stop_service(service)
        system.system.start_service(service)
    goes_on(system)


def test_a_refused_event_shows_in_its_workspace(system: Running) -> None:
    put(
        system,
        EVENTS,
        encoded(
            Event(
                workspace=WORKSPACE,
                id="evt_bad",
                type="order.paid",
                created_at_ms=0,
                data=b"{not json",
            )
        ),
    )
    with system.api() as api:
        shown = wait_until(lambda: api.get("/v1/log/dead")["items"], WITHIN_S)
    assert {(line["topic"], line["event"]) for line in shown} == {(EVENTS, "evt_bad")}
    assert all(line["reason"] and line["detail"] for line in shown)
    goes_on(system)


def test_an_unknown_schema_is_waited_for_and_then_dead_and_not_each_of_many(
    system: Running,
) -> None:
    """Half a minute, once: a newer writer announces it first. Half a minute for each would let
    anyone who may write to a topic stop its readers."""
    wanted: dict[Place, str] = {}
    for topic in (EVENTS, DELIVERIES, OUTCOMES):
        for raw in UNKNOWN_SCHEMAS:
            wanted |= dict.fromkeys(put(system, topic, raw), "undecodable")
    goes_on(system)
    wait_until(lambda: wanted.items() <= dead(system).items(), WITHIN_S)
