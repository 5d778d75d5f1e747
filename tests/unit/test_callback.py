"""Links to close a delivery: what they hold, and that nobody else can make or move one."""

import json
from itertools import count

import pytest

from hookstream.model.callback import (
    REASON,
    Callback,
    answer,
    callback_of,
    closing,
    keys_of_links,
    opened,
    sealed,
)
from hookstream.model.records import Delivery
from hookstream.model.seal import Keys, SealedError, place_of
from services.deliverer.links import Links
from tests.unit.values import a_delivery, a_policy, a_webhook, an_event

OLD, NEW = bytes(32), bytes(range(32))
KEYS = keys_of_links(Keys([NEW]))
_numbers = count()


def nonce() -> bytes:
    return next(_numbers).to_bytes(12)


def a_callback(**changes: object) -> Callback:
    event = an_event(data=b'{"jobActionKey":"act_1","jobKey":"job_1"}', subject="c-1")
    return callback_of(a_webhook(**changes), a_delivery(event=event, logged_at_ms=7), 1_000)


def test_a_token_gives_back_what_was_sealed() -> None:
    callback = a_callback()
    assert opened(sealed(callback, KEYS, nonce()), KEYS) == callback


def test_two_links_of_one_delivery_differ_and_both_close_it() -> None:
    links = Links(Keys([NEW]), "https://hooks.example.com/", nonce, lambda: 1_000)
    delivery = a_delivery()
    first, second = (links.of(a_webhook(), delivery) for _ in range(2))
    assert first != second
    base = "https://hooks.example.com/v1/callbacks/"
    tokens = [link.removeprefix(base) for link in (first, second)]
    assert {opened(token, KEYS).delivery for token in tokens} == {delivery.id}
    assert all(token.replace("-", "").replace("_", "").isalnum() for token in tokens)


@pytest.mark.parametrize("text", ["", "=", "A", "x" * 40, "é", "a b", "..", "null", "A" * 9_000])
def test_a_forged_token_is_none(text: str) -> None:
    with pytest.raises(SealedError):
        opened(text, KEYS)


def test_a_token_that_was_changed_anywhere_is_none() -> None:
    token = sealed(a_callback(), KEYS, nonce())
    for at in range(len(token) - 1):  # the last one may hold bits that are not looked at
        other = token[:at] + ("B" if token[at] == "A" else "A") + token[at + 1 :]
        with pytest.raises(SealedError):
            opened(other, KEYS)
    with pytest.raises(SealedError):
        opened(token[:-4], KEYS)


def test_nothing_that_was_sealed_for_another_place_is_a_token() -> None:
    """A secret of a webhook, taken from a topic, opens nothing; nor does a token a secret."""
    plain = sealed(a_callback(), KEYS, nonce())
    moved = Keys([NEW])
    with pytest.raises(SealedError):
        opened(plain, moved)
    with pytest.raises(SealedError):
        opened(sealed(a_callback(), moved, nonce()), KEYS)
    with pytest.raises(SealedError):
        moved.open(KEYS.seal(b"s", "callback", nonce()), place_of("ws_1", "wh_1", "secret"))


def test_links_outlive_a_rotation_of_the_sealing_keys() -> None:
    token = sealed(a_callback(), keys_of_links(Keys([OLD])), nonce())
    assert opened(token, keys_of_links(Keys([NEW, OLD]))) == a_callback()
    with pytest.raises(SealedError):
        opened(token, KEYS)


def test_a_link_is_valid_as_long_as_its_delivery_may_wait() -> None:
    policy = a_policy(waiting_ms=60_000, deadline_ms=15_000)
    assert a_callback(policy=policy).until_ms == 1_000 + 15_000 + 60_000


def keys_in(delivery: Delivery) -> tuple[str, str]:
    told = json.loads(answer(callback_of(a_webhook(), delivery, 0)))
    assert told["status"] == "ok"
    assert told["code"] == 200
    return told["data"]["jobActionKey"], told["data"]["jobKey"]


def test_p9_the_keys_are_those_of_the_events_data() -> None:
    data = b'{"jobActionKey":"a","jobKey":"j","amount":1.10,"more":[{"jobKey":"no"}]}'
    assert keys_in(a_delivery(event=an_event(data=data))) == ("a", "j")


@pytest.mark.parametrize(
    "data",
    [
        b"{}", b"[]", b"null", b'"jobKey"', b'{"jobKey":1,"jobActionKey":null}',
        b'{"a":{"jobKey":"inside"}}', b'{"jobKey":"' + b"x" * 200 + b'"}', b'{"jobKey":""}',
        b'{"jobKey"', b"", b'{"jobKey":' + b"[" * 50_000,
    ],
)  # fmt: skip
def test_p9_an_event_without_keys_is_named_by_the_delivery_and_itself(data: bytes) -> None:
    assert keys_in(a_delivery(event=an_event(data=data))) == ("del_1", "evt_1")


def test_the_closing_record_settles_no_turn_and_stands_in_the_deliverys_day_and_lane() -> None:
    done = closing(a_callback(), True, None, 2_000)
    assert (done.turn, done.result, done.reason) == (None, "succeeded", REASON)
    assert (done.delivery, done.lane, done.logged_at_ms) == ("del_1", "wh_1", 7)
    assert (done.event, done.event_type, done.subject) == ("evt_1", "contact.created", "c-1")
    failed = closing(a_callback(), False, "no stock", 2_000)
    assert (failed.result, failed.stated_reason) == ("failed", "no stock")
