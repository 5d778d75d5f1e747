"""HTTP as it comes over the wire: framing, order, and bounds for whoever withholds or piles up."""

import json
import signal
import socket
from collections.abc import Iterator

import pytest

from hookstream.model.records import Event
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import EVENTS
from services.ingest.connection import MOST_HEAD
from tests.fixtures.kafka import read_all, wait_until
from tests.ingest.started import Started, started
from tests.ingest.wire import EVENT, head, request, wire

LIMIT = 100 * 1024


@pytest.fixture(scope="module")
def hasty(topics: KafkaSettings) -> Iterator[Started]:
    """One that waits a second for a request."""
    with started(topics, INGEST_BODY_TIMEOUT_S="1") as it:
        yield it


@pytest.fixture
def narrow(topics: KafkaSettings) -> Iterator[Started]:
    """One that has room for two large bodies at a time."""
    largest = str(8 * 1024 * 1024)
    with started(topics, INGEST_MAX_HELD_MB="16", INGEST_MAX_BATCH_BYTES=largest) as it:
        yield it


def named(number: int) -> bytes:
    return b'{"id":"wire_%d","type":"a","data":1}' % number


def id_of(body: bytes) -> str:
    found: str = json.loads(body)["id"]
    return found


def test_requests_sent_before_their_turn_are_answered_in_order(ingest: Started) -> None:
    with wire(ingest) as client:
        client.send(b"".join(request(named(n)) for n in range(20)))
        assert [id_of(client.read().body) for _ in range(20)] == [f"wire_{n}" for n in range(20)]
        bad = request(b'{"type":"","data":1}')
        client.send(request(named(1)) + bad + request(named(2)))
        assert [client.read().status for _ in range(3)] == [202, 422, 202]


def test_what_is_no_http_is_answered_after_what_was(ingest: Started) -> None:
    both = head("content-length: 3", "transfer-encoding: chunked") + b"1\r\nx\r\n0\r\n\r\n"
    for broken in (b"what is this\r\n\r\n", both, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        with wire(ingest) as client:
            client.send(request() + broken)
            assert client.read().status == 202
            answer = client.read()
            assert (answer.status, answer.headers["connection"]) == (400, "close")
            assert json.loads(answer.body)["code"] == "invalid_request"
            assert client.closed()


@pytest.mark.parametrize("size", [1, 7, 400])
def test_a_body_in_pieces_is_the_body(topics: KafkaSettings, ingest: Started, size: int) -> None:
    data = b'"' + b"x" * 300 + b'"'
    body = b'{"id":"pieces_%d","type":"a","data":%b}' % (size, data)
    cut = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in cut]
    ends = [b"0\r\n", b"x-api-key: other\r\n\r\n"]
    with wire(ingest) as client:
        client.send(head(f"content-length: {len(body)}"), *cut)
        assert client.read().status == 202
        client.send(head("transfer-encoding: chunked"), *chunks, *ends)
        assert client.read().status == 202
        client.send(head("transfer-encoding: chunked") + b"".join([*chunks, *ends]) + request())
        assert [client.read().status for _ in range(2)] == [202, 202]
    found = [s.value for s in read_all(topics, EVENTS) if isinstance(s.value, Event)]
    assert [e.data for e in found if e.id == f"pieces_{size}"] == [data] * 3


def test_a_body_that_waits_for_leave_gets_it_and_only_with_a_key(ingest: Started) -> None:
    expecting = (f"content-length: {len(EVENT)}", "expect: 100-continue")
    with wire(ingest) as client:
        client.send(head(*expecting))
        assert client.read() == (100, {}, b"")
        client.send(EVENT)
        assert client.read().status == 202
        client.send(head(*expecting, "authorization: Bearer unknown"))
        assert client.read().status == 401
        assert client.closed()


def test_a_connection_is_kept_or_ended_as_the_client_says(ingest: Started) -> None:
    for asked in ((), ("connection: keep-alive",)):
        with wire(ingest) as client:
            client.send(head(f"content-length: {len(EVENT)}", *asked, version="1.0") + EVENT)
            answer = client.read()
            assert (answer.status, answer.headers["connection"]) == (202, "close")
            assert client.closed()
    with wire(ingest) as client:
        client.send(request(EVENT, "connection: keep-alive"))
        assert "connection" not in client.read().headers
        client.send(request(EVENT, "connection: close") + request())
        answer = client.read()
        assert (answer.status, answer.headers["connection"]) == (202, "close")
        assert client.closed()


def test_an_offer_of_another_protocol_is_not_taken_up(ingest: Started) -> None:
    offer = ("connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABk")
    with wire(ingest) as client:
        client.send(request(EVENT, *offer) + request(), request())
        assert [client.read().status for _ in range(3)] == [202, 202, 202]
        client.send(head(f"content-length: {len(EVENT)}", *offer), EVENT[:5], EVENT[5:])
        assert client.read().status == 202
        client.send(b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n" + request())
        assert client.read().status == 400
        assert client.closed()


def test_any_form_of_the_path_leads_there(ingest: Started) -> None:
    with wire(ingest) as client:
        for path in ("http://x/v1/events", "/v1/events?a=b", "/v1/%65vents"):
            client.send(request(path=path))
            assert client.read().status == 202
        for path in ("/v1/events/", "//v1/events", "*", "/\xff"):
            client.send(request(path=path))
            assert client.read().status in (400, 404)
            if path == "/\xff":
                break


def test_an_answer_to_head_has_no_body_and_every_answer_a_date(ingest: Started) -> None:
    with wire(ingest) as client:
        client.send(b"HEAD /v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n" + request())
        answer = client.read(body=False)
        assert (answer.status, answer.headers["content-length"]) != (404, "0")
        assert answer.headers["date"].endswith("GMT")
        assert client.read().status == 202


def test_a_body_for_a_path_that_is_not_there_is_passed_over(ingest: Started) -> None:
    with wire(ingest) as client:
        client.send(head(f"content-length: {LIMIT}", path="/v1/nothing"), b"x" * LIMIT, request())
        assert [client.read().status for _ in range(2)] == [404, 202]


@pytest.mark.parametrize(
    "endless",
    [
        [b"POST /v1/events HTTP/1.1\r\nx: " + b"x" * MOST_HEAD, b"x" * 999],
        [b"GET /" + b"x" * MOST_HEAD, b"x" * 999],
        [b"\r\n" * MOST_HEAD],
        [head("transfer-encoding: chunked"), b"1;" + b"x" * MOST_HEAD, b"x" * 999],
    ],
    ids=["header", "path", "empty lines", "chunk extension"],
)
def test_a_head_without_end_is_refused(ingest: Started, endless: list[bytes]) -> None:
    with wire(ingest) as client:
        client.send(*endless)
        answer = client.read()
        assert (answer.status, json.loads(answer.body)["code"]) == (431, "head_too_large")
        assert client.closed()


def test_a_client_that_reads_no_answers_is_not_read_either(ingest: Started) -> None:
    """What it may pile up is bounded; when it reads at last, nothing is missing."""
    asked = b"GET /v1/%b HTTP/1.1\r\nhost: x\r\n\r\n" % (b"n" * 60)
    sent = 0
    with wire(ingest) as client:
        client.socket.settimeout(3)
        with pytest.raises(TimeoutError):  # noqa: PT012 - some request is the one too many
            while sent < 300_000 * len(asked):
                sent += client.socket.send((asked * 1_000)[sent % len(asked) :])
        client.socket.settimeout(30)
        whole, part = divmod(sent, len(asked))
        for _ in range(whole):
            assert client.read().status == 404
        client.send(asked[part:])
        assert client.read().status == 404


def test_what_does_not_arrive_in_time_is_given_up(hasty: Started) -> None:
    batch = head("content-length: 9", path="/v1/events/batch")
    unfinished = [(b"POST /v1/ev", "request_timeout"), (batch + b"[", "body_timeout")]
    for begun, code in unfinished:
        with wire(hasty) as client:
            client.send(request())
            assert client.read().status == 202
            client.send(begun)
            answer = client.read()
            assert (answer.status, json.loads(answer.body)["code"]) == (408, code)
            assert client.closed()


def fits(ingest: Started) -> int:
    """What a batch in pieces is answered, for which room must be held."""
    batch = b"[%b]" % EVENT
    with wire(ingest) as client:
        chunked = head("transfer-encoding: chunked", path="/v1/events/batch")
        client.send(chunked + b"%x\r\n" % len(batch), batch + b"\r\n0\r\n\r\n")
        return client.read().status


def test_large_bodies_share_their_room_and_give_it_back(narrow: Started) -> None:
    with wire(narrow) as first, wire(narrow) as second, wire(narrow) as third:
        for client in (first, second, third):
            client.send(
                head("transfer-encoding: chunked", "expect: 100-continue", path="/v1/events/batch")
            )
        told = [client.read() for client in (first, second, third)]
    *taken, refused = sorted(told, key=lambda answer: answer.status)
    assert [answer.status for answer in (*taken, refused)] == [100, 100, 503]
    assert json.loads(refused.body)["code"] == "busy"
    # What was left half said is no longer held.
    wait_until(lambda: [fits(narrow) for _ in range(5)] == [202] * 5, 30)


def test_when_it_stops_what_has_begun_is_answered(topics: KafkaSettings) -> None:
    with started(topics) as ingest, wire(ingest) as idle, wire(ingest) as busy:
        for client in (idle, busy):
            client.send(request())
            assert client.read().status == 202
        busy.send(head(f"content-length: {len(EVENT)}", "expect: 100-continue"))
        assert busy.read().status == 100
        ingest.process.send_signal(signal.SIGTERM)
        assert idle.closed()
        busy.send(EVENT)
        answer = busy.read()
        assert (answer.status, answer.headers["connection"]) == (202, "close")
        assert busy.closed()
        assert ingest.process.wait(60) == 0
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", int(ingest.url.rpartition(":")[2])), 5)
