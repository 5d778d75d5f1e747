"""Requests on a running ingest and a real broker: what goes in stands on the topic."""

import socket
import uuid
from typing import Any

import httpx2
import pytest

from hookstream.model.records import Event, Workspace
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import EVENTS
from tests.fixtures.kafka import Seen, put, read_all
from tests.ingest.started import Started
from tests.system.bad_events import BAD, GOOD, Bad, body_of, key, secret_of
from tests.unit.values import a_webhook


def seen(kafka: KafkaSettings, event: str) -> list[Seen]:
    """The records of one event."""
    found = read_all(kafka, EVENTS)
    return [one for one in found if isinstance(one.value, Event) and one.value.id == event]


def post(ingest: Started, body: bytes | str, workspace: str = "open", **headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    with ingest.client(secret_of(workspace)) as client:
        path = "/v1/events/batch" if names.pop("batch", "") else "/v1/events"
        return client.post(path, content=body, headers=names)


def problem(answer: httpx2.Response, status: int, code: str, field: str) -> dict[str, Any]:
    """The problem in an answer, which is this one."""
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["code"], told.get("field", "")) == (status, code, field), told
    assert told["status"] == status
    assert told["title"]
    assert told["detail"]
    return told


def test_data_stands_on_the_topic_byte_for_byte(topics: KafkaSettings, ingest: Started) -> None:
    data = '{"price": 1.10,  "big": 12345678901234567890123, "n": 1e5, "name":"é\\u00e9 ☃"}'
    body = f'{{"type":"order.paid","subject":"order/7","source":"shop", "data": {data} }}'
    answer = post(ingest, body.encode())
    assert answer.status_code == 202
    event_id = answer.json()["id"]
    (one,) = seen(topics, event_id)
    assert isinstance(one.value, Event)
    assert one.value.data == data.encode()
    assert (one.value.type, one.value.subject) == ("order.paid", "order/7")
    assert one.value.source == "shop"
    assert one.value.workspace == "open"
    assert abs(one.value.created_at_ms - one.timestamp_ms) < 10_000
    assert one.key == b"open/order/7"
    assert event_id.startswith("evt_")
    assert len(one.headers["traceparent"]) == 55


def test_a_given_id_and_time_are_kept(topics: KafkaSettings, ingest: Started) -> None:
    body = '{"id":"mine_1","type":"a","created_at":"1970-01-01T01:00:00.5+01:00","data":null}'
    assert post(ingest, body).json() == {"id": "mine_1"}
    (one,) = seen(topics, "mine_1")
    assert isinstance(one.value, Event)
    assert (one.value.created_at_ms, one.value.data) == (500, b"null")
    assert one.key is None


def test_an_idempotency_key_is_one_id_in_a_workspace(ingest: Started) -> None:
    token = str(uuid.uuid4())
    body = '{"type":"a","data":1}'
    first = post(ingest, body, idempotency_key=token).json()["id"]
    assert post(ingest, body, idempotency_key=token).json()["id"] == first
    assert post(ingest, body, idempotency_key=token + "x").json()["id"] != first
    strict = post(ingest, body_of(GOOD).replace(b'"id": "evt_1", ', b""), "strict")
    assert strict.json()["id"] != first
    same = f'{{"id":"{first}","type":"a","data":1}}'
    assert post(ingest, same, idempotency_key=token).json()["id"] == first
    other = post(ingest, '{"id":"other","type":"a","data":1}', idempotency_key=token)
    problem(other, 400, "id_mismatch", "id")


@pytest.mark.parametrize("token", ["x" * 256, "", "a\x80"])
def test_a_bad_idempotency_key_is_refused(ingest: Started, token: str) -> None:
    with ingest.client(secret_of("open")) as client:
        headers = [(b"Idempotency-Key", token.encode("latin-1"))]
        answer = client.post("/v1/events", content=b'{"type":"a","data":1}', headers=headers)
    problem(answer, 400, "invalid_idempotency_key", "Idempotency-Key")


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_event_is_refused_by_http(ingest: Started, bad: Bad) -> None:
    answer = post(ingest, body_of(bad.event), bad.event.workspace)
    told = answer.json()
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert (told["code"], told["field"]) == (bad.code, bad.http_field or bad.field)
    assert told["detail"]


def test_the_good_event_of_the_table_goes_in(ingest: Started) -> None:
    assert post(ingest, body_of(GOOD), "strict").status_code == 202


@pytest.mark.parametrize(
    ("body", "status", "code", "field", "hint"),
    [
        ('{"typ":"a","data":1}', 422, "unknown_field", "typ", "did you mean type?"),
        ('{"type":"a","data":1,"zzz":1}', 422, "unknown_field", "zzz", "known are type, data"),
        ('{"type":"a"}', 422, "missing_field", "data", "any JSON"),
        ('{"data":1}', 422, "missing_field", "type", "contact.created"),
        ('{"type":7,"data":1}', 422, "invalid_type", "type", "contact.created"),
        ('{"type":"a","data":1,"data":2}', 422, "repeated_field", "data", ""),
        ('{"type":"a","data":1,"created_at":5}', 422, "invalid_created_at", "created_at", "RFC"),
        (
            '{"type":"a","data":1,"created_at":"2026-03-01T12:00:00"}',
            422,
            "invalid_created_at",
            "created_at",
            "offset",
        ),
        ("[]", 422, "invalid_body", "body", "type"),
        ("", 400, "invalid_json", "body", ""),
        ('{"type":"a","data":1} x', 400, "invalid_json", "body", ""),
        ('\ufeff{"type":"a","data":1}', 400, "invalid_json", "body", ""),
        (b'{"type":"\xff","data":1}', 400, "invalid_json", "body", ""),
    ],
)
def test_a_bad_body_is_told_its_field_and_what_would_do(
    ingest: Started, body: str | bytes, status: int, code: str, field: str, hint: str
) -> None:
    told = problem(post(ingest, body), status, code, field)
    assert hint in told.get("hint", "")


def test_near_names_of_an_unknown_type_are_told(ingest: Started) -> None:
    answer = post(ingest, '{"type":"contact.craeted","data":{}}', "strict")
    assert "contact.created" in problem(answer, 422, "unknown_type", "type")["hint"]


def test_a_key_is_needed_and_may_come_in_either_header(
    topics: KafkaSettings, ingest: Started
) -> None:
    put(topics, key("viewing", "viewer"), Workspace(id="viewing", version=1, name="V"))
    event, url = b'{"type":"a","data":1}', f"{ingest.url}/v1/events"

    def sent(headers: dict[str, str]) -> httpx2.Response:
        return httpx2.post(url, content=event, headers=headers, timeout=20)

    none = sent({})
    problem(none, 401, "key_missing", "Authorization")
    assert none.headers["www-authenticate"] == "Bearer"
    wrong = sent({"X-API-KEY": "hk_wrong"})
    problem(wrong, 401, "key_unknown", "Authorization")
    viewer = sent({"X-API-KEY": secret_of("viewing")})
    problem(viewer, 403, "role_too_low", "Authorization")
    right = sent({"X-API-KEY": secret_of("open")})
    assert right.status_code == 202


def test_what_was_made_a_moment_ago_is_known(topics: KafkaSettings, ingest: Started) -> None:
    for number in range(20):
        name = f"new{number}"
        put(topics, Workspace(id=name, version=1, name=name), key(name))
        assert post(ingest, '{"type":"a","data":1}', name).status_code == 202


def test_an_event_may_be_addressed_to_a_webhook_by_name(
    topics: KafkaSettings, ingest: Started
) -> None:
    body = '{"type":"a","data":1,"webhook":"CRM-sync"}'
    problem(post(ingest, body), 422, "unknown_webhook", "webhook")
    put(topics, a_webhook(workspace="open", name="crm-sync"))
    (one,) = seen(topics, post(ingest, body).json()["id"])
    assert isinstance(one.value, Event)
    assert one.value.webhook == "CRM-sync"


def test_a_batch_is_answered_one_by_one_in_order(topics: KafkaSettings, ingest: Started) -> None:
    good, kept = '{"type":"a","data":1.10}', '{"id":"b4","type":"a","data":{}}'
    items = [good, '{"type":"","data":1}', "7", kept]
    for body in (f"[{','.join(items)}]", "\r\n".join(items) + "\n\n"):
        answer = post(ingest, body, batch="1")
        assert answer.status_code == 207
        told = answer.json()["events"]
        assert [one["status"] for one in told] == [202, 422, 422, 202]
        assert [one.get("field") for one in told] == [None, "type", "body", None]
        assert told[3]["id"] == "b4"
        (first,) = seen(topics, told[0]["id"])
        assert isinstance(first.value, Event)
        assert first.value.data == b"1.10"
    lines = post(ingest, '{"type":"a","data":1}\n{"type":"a","data":\n', batch="1")
    assert [one["status"] for one in lines.json()["events"]] == [202, 400]


def test_a_batch_has_a_status_that_says_whether_all_is_in(ingest: Started) -> None:
    good, bad = '{"type":"a","data":1}', '{"type":"","data":1}'
    assert post(ingest, f"[{good},{good}]", batch="1").status_code == 202
    assert post(ingest, f"[{bad},{bad}]", batch="1").status_code == 422
    problem(post(ingest, "[]", batch="1"), 422, "empty_batch", "body")
    problem(post(ingest, "[1,", batch="1"), 400, "invalid_json", "body")
    problem(post(ingest, f"[{','.join([good] * 201)}]", batch="1"), 413, "too_many_events", "body")


def test_a_batch_repeated_with_its_key_has_the_same_ids(ingest: Started) -> None:
    body, token = '[{"type":"a","data":1},{"type":"a","data":1}]', str(uuid.uuid4())
    first, again = (post(ingest, body, batch="1", idempotency_key=token).json() for _ in range(2))
    assert first == again
    assert first["events"][0]["id"] != first["events"][1]["id"]


def test_a_body_too_long_is_refused_and_not_read_to_its_end(ingest: Started) -> None:
    problem(post(ingest, b'{"x":"' + b"x" * 400_000), 413, "too_large", "body")
    problem(post(ingest, b" " * 1_048_577, batch="1"), 413, "too_large", "body")
    port = int(ingest.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as endless:
        head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-API-KEY: {secret_of('open')}\r\n"
        endless.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError):  # noqa: PT012 - some piece is the one too many
            for _ in range(10_000):
                endless.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


def test_other_paths_and_methods_are_told_where_to_go(ingest: Started) -> None:
    with ingest.client(secret_of("open")) as client:
        problem(client.get("/v1/nothing"), 404, "not_found", "")
        get = client.get("/v1/events")
        problem(get, 405, "method_not_allowed", "")
        assert get.headers["allow"] == "POST"
        zipped = client.post("/v1/events", content=b"x", headers={"Content-Encoding": "gzip"})
        problem(zipped, 415, "encoding_not_supported", "Content-Encoding")


def test_a_traceparent_is_honoured_and_a_bad_one_is_not(
    topics: KafkaSettings, ingest: Started
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    body = '{"type":"a","data":1}'
    (one,) = seen(topics, post(ingest, body, traceparent=trace).json()["id"])
    assert one.headers["traceparent"] == trace.encode()
    (sampled,) = seen(topics, post(ingest, body, traceparent=trace[:-1] + "1").json()["id"])
    assert sampled.headers["traceparent"][3:35] == trace[3:35].encode()
    assert sampled.headers["traceparent"][36:52] != trace[36:52].encode()
    (new,) = seen(topics, post(ingest, body, traceparent="nonsense").json()["id"])
    assert len(new.headers["traceparent"]) == 55
    assert new.headers["traceparent"][3:35] != trace[3:35].encode()
