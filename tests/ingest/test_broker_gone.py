"""Kafka away and back: 503 within ten seconds, nothing acknowledged is lost, all by itself."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.model.records import Event, Workspace
from hookstream.stream import topics
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import EVENTS
from tests.fixtures.kafka import prepared, put, read_all, wait_until
from tests.ingest.started import Started, started
from tests.ingest.test_callbacks import a_callback, link
from tests.system.bad_events import key, secret_of

ANSWER_S = 15
"""ingest has ten seconds to answer; some more for a busy machine."""
Answers = list[tuple[str, int, float]]
EVENT = b'{"type":"a","data":1}'


def posting(client: httpx2.Client, stop: threading.Event) -> Iterator[tuple[str, int, float]]:
    """One event after the other until `stop`: its id, the answer's status, how long it took."""
    while not stop.is_set():
        began = time.monotonic()
        answer = client.post("/v1/events", content=EVENT)
        yield answer.json()["id"], answer.status_code, time.monotonic() - began


def test_what_was_acknowledged_survives_a_broker_that_goes_and_comes_back(
    own_broker: EmbeddedKafka,
) -> None:
    kafka = prepared(own_broker)
    put(kafka, Workspace(id="open", version=1, name="Open"), key("open"))
    stop = threading.Event()
    with started(kafka) as ingest, ThreadPoolExecutor(4) as pool, ExitStack() as stack:
        stack.callback(stop.set)  # whatever happens: the pool waits for those who post
        client = ingest.client(secret_of("open"))
        posted: list[Answers] = [[] for _ in range(4)]
        running = [pool.submit(got.extend, posting(client, stop)) for got in posted]
        wait_until(lambda: all(len(got) > 20 for got in posted), 60)
        own_broker.stop()
        wait_until(
            lambda: any(status == 503 for got in posted for _, status, _ in got), 2 * ANSWER_S
        )
        own_broker.start()
        before = [len(got) for got in posted]
        wait_until(lambda: all(len(g) > n + 20 for g, n in zip(posted, before, strict=True)), 60)
        stop.set()
        for one in running:
            one.result(30)
        client.close()
    answers = [answer for got in posted for answer in got]
    assert {status for _, status, _ in answers} == {202, 503}
    assert max(took for _, _, took in answers) < ANSWER_S
    on_topic = {s.value.id for s in read_all(kafka, EVENTS) if isinstance(s.value, Event)}
    assert {event for event, status, _ in answers if status == 202} <= on_topic


def test_an_event_whose_fate_is_unknown_is_told_with_its_id_and_repeated_once(
    own_broker: EmbeddedKafka,
) -> None:
    kafka = prepared(own_broker)
    put(kafka, Workspace(id="open", version=1, name="Open"), key("open"))
    with started(kafka) as ingest, ingest.client(secret_of("open")) as client:
        own_broker.stop()
        callback, twice = link(a_callback(waiting_ms=600_000)), b"[%b,%b]" % (EVENT, EVENT)
        with ThreadPoolExecutor() as asking:  # each is waited for as long as ingest may wait
            posted = asking.submit(client.post, "/v1/events", content=EVENT)
            posted_both = asking.submit(client.post, "/v1/events/batch", content=twice)
            closed = asking.submit(client.post, callback, json={"status": "done"})
        answer, batch, closing = posted.result(), posted_both.result(), closed.result()
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        told = answer.json()
        assert (told["code"], answer.headers["retry-after"]) == ("unknown", "2")
        assert batch.status_code == 503
        assert [one["status"] for one in batch.json()["events"]] == [503, 503]
        assert (closing.status_code, closing.json()["code"]) == (503, "unknown")
        stranger = {"Authorization": "Bearer hk_unknown"}
        assert client.post("/v1/events", content=EVENT, headers=stranger).status_code == 503
        own_broker.start()
        again = {"id": told["id"], "type": "a", "data": 1}
        wait_until(lambda: client.post("/v1/events", json=again).status_code == 202, 30)
        done = {"status": "done"}
        wait_until(lambda: client.post(callback, json=done).status_code == 200, 30)
    assert told["id"] in {s.value.id for s in read_all(kafka, EVENTS) if isinstance(s.value, Event)}


def test_without_topics_it_says_what_to_do_and_starts_by_itself_once_they_are_there(
    broker: EmbeddedKafka,
) -> None:
    ready = prepared(broker)
    missing = KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers, topic_prefix=f"late-{ready.topic_prefix}"
    )
    topics.apply(missing, [t for t in topics.topics(4, 4) if t.name == topics.CONFIG], 1)
    with started(missing, ready=False) as ingest:
        wait_until(lambda: says(ingest, 503, "hookstream topics apply"), 60)
        topics.apply(missing, topics.topics(4, 4), 1)
        put(missing, topics.partition_counts(missing))
        wait_until(lambda: says(ingest, 200), 60)


def says(ingest: Started, status: int, text: str = "") -> bool:
    """Whether this is on its page of readiness."""
    found = ingest.health()
    return found[0] == status and text in found[1]
