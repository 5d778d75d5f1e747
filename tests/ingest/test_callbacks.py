"""Callbacks on a running ingest: the token alone closes, and what closes stands on outcomes."""

import time
from itertools import count
from typing import Any

import httpx2
import pytest

from hookstream.model.callback import PATH, Callback, callback_of, keys_of_links, sealed
from hookstream.model.records import Outcome
from hookstream.model.seal import Keys
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import OUTCOMES, partition_of
from tests.fixtures.kafka import PARTITIONS, Seen, read_all
from tests.ingest.started import SEALING, Started
from tests.unit.values import a_delivery, a_policy, a_webhook, an_event

_numbers = count(1)
LINKS = keys_of_links(Keys([SEALING]))


def a_callback(**policy: Any) -> Callback:
    """Of a delivery that is another each time, and waits for a minute."""
    number = next(_numbers)
    webhook = a_webhook(policy=a_policy(**{"waiting_ms": 60_000, **policy}))
    event = an_event(data=b'{"jobKey":"job_1","jobActionKey":"act_1"}', subject="c-1")
    delivery = a_delivery(id=f"del_{number}", lane=f"lane_{number}", event=event, logged_at_ms=7)
    return callback_of(webhook, delivery, time.time_ns() // 1_000_000)


def link(callback: Callback, keys: Keys = LINKS) -> str:
    """Where its receiver posts."""
    return PATH + sealed(callback, keys, next(_numbers).to_bytes(12))


def post(ingest: Started, path: str, body: Any) -> httpx2.Response:
    """Without any key: the link is the authority."""
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return httpx2.post(ingest.url + path, timeout=20, **content)


def closings(kafka: KafkaSettings, callback: Callback) -> list[tuple[Seen, Outcome]]:
    """The outcomes of its delivery."""
    found = ((s, s.value) for s in read_all(kafka, OUTCOMES) if isinstance(s.value, Outcome))
    return [(seen, outcome) for seen, outcome in found if outcome.delivery == callback.delivery]


def test_p8_a_callback_stands_on_outcomes_in_the_partition_of_its_lane(
    topics: KafkaSettings, ingest: Started
) -> None:
    callback = a_callback()
    answer = post(ingest, link(callback), {"status": "failed", "reason": " no\tstock "})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    keys = {"jobActionKey": "act_1", "jobKey": "job_1"}
    assert answer.json() == {"status": "ok", "code": 200, "data": keys}
    ((seen, outcome),) = closings(topics, callback)
    assert (outcome.turn, outcome.result, outcome.reason) == (None, "failed", "callback")
    assert outcome.stated_reason == "no stock"
    assert (outcome.workspace, outcome.event, outcome.logged_at_ms) == ("ws_1", "evt_1", 7)
    lane = callback.lane.encode()
    assert (seen.key, seen.partition) == (lane, partition_of(lane, PARTITIONS))
    assert seen.headers["delivery"] == callback.delivery.encode()
    assert seen.headers["result"] == b"failed"
    assert "turn" not in seen.headers


def test_p8_the_same_again_gets_the_same_answer(topics: KafkaSettings, ingest: Started) -> None:
    callback = a_callback()
    path = link(callback)
    answers = [post(ingest, path, {"status": "done"}) for _ in range(3)]
    answers.append(post(ingest, link(callback), {"status": "done"}))
    assert {(a.status_code, a.content) for a in answers} == {(200, answers[0].content)}
    assert {outcome.result for _, outcome in closings(topics, callback)} == {"succeeded"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"status": "failed", "message": "no stock"}, "no stock"),
        ({"status": "failed", "reason": "no stock", "message": "other"}, "no stock"),
        ({"status": "failed", "reason": "x" * 5_000}, "x" * 1_000),
        ({"status": "done", "reason": "in store 7", "more": 1}, "in store 7"),
        ({"status": "done", "reason": None}, None),
    ],
)
def test_p8_message_is_an_alias_of_reason(
    topics: KafkaSettings, ingest: Started, body: Any, reason: str | None
) -> None:
    callback = a_callback()
    assert post(ingest, link(callback), body).status_code == 200
    ((_, outcome),) = closings(topics, callback)
    assert outcome.stated_reason == reason


BAD: list[tuple[Any, int, str, str]] = [
    ({"status": "failed"}, 422, "missing_reason", "reason"),
    ({"status": "failed", "reason": " \n"}, 422, "missing_reason", "reason"),
    ({"status": "failed", "message": ""}, 422, "missing_reason", "reason"),
    ({"status": "failed", "reason": 7}, 422, "invalid_reason", "reason"),
    ({"status": "done", "reason": ["x"]}, 422, "invalid_reason", "reason"),
    ({"status": "ok"}, 422, "unknown_status", "status"),
    ({"status": "Done"}, 422, "unknown_status", "status"),
    ({"status": ["done"]}, 422, "unknown_status", "status"),
    ({}, 422, "missing_status", "status"),
    ([], 422, "invalid_body", "body"),
    (b"status=done", 400, "invalid_json", "body"),
    (b"", 400, "invalid_json", "body"),
    (b'{"status":"\xff"}', 400, "invalid_json", "body"),
    (b'{"status":"done","x":' + b"[" * 8_000, 400, "invalid_json", "body"),
    (b'{"status":"done","reason":"' + b"x" * 20_000 + b'"}', 413, "too_large", "body"),
]


@pytest.mark.parametrize(("body", "status", "code", "field"), BAD)
def test_p8_what_says_nothing_closes_nothing(
    ingest: Started, body: Any, status: int, code: str, field: str
) -> None:
    answer = post(ingest, link(a_callback()), body)
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, told["code"], told["field"]) == (status, code, field), told


def test_p8_forged_is_404_expired_is_410_and_neither_closes(
    topics: KafkaSettings, ingest: Started
) -> None:
    done = {"status": "done"}
    forged = link(a_callback(), keys_of_links(Keys([b"f" * 32])))
    late = a_callback(waiting_ms=-20_000)
    assert [post(ingest, path, done).status_code for path in (forged, PATH + "x", PATH)] == [
        404
    ] * 3
    answer = post(ingest, link(late), done)
    assert (answer.status_code, answer.json()["code"]) == (410, "link_expired")
    assert closings(topics, late) == []


def test_only_a_post_closes(topics: KafkaSettings, ingest: Started) -> None:
    """Whoever opens the link in a browser, or looks what is behind it, changes nothing."""
    callback = a_callback()
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = httpx2.request(method, ingest.url + link(callback), timeout=20)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert closings(topics, callback) == []
