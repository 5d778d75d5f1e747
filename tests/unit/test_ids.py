"""Identities are stable, well formed and apart from each other."""

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookstream.model import ids
from tests.unit.values import an_event


def test_a_delivery_of_the_same_event_for_the_same_webhook_has_the_same_id() -> None:
    assert ids.delivery_id("wh_1", "evt_1") == ids.delivery_id("wh_1", "evt_1")


def test_ids_never_change_between_versions() -> None:
    assert ids.delivery_id("wh_1", "evt_1") == "e3174f7b-db43-5577-b392-01702d0264d4"
    assert ids.released_id("d") == "84f43465-c64a-536f-8b21-21377f457009"
    made = ids.operational_id("wh_1", 3, "webhook.disabled")
    assert made == "evt_op_2ce9d2c160a1517ab62206a65bac57b9"
    assert ids.event_id_for_key(b"salt", "ws_1", "key") == "evt_opaiaithe6fttdsw5t2ijzbh7gt65vaj"
    assert ids.payload_hash(an_event()) == "589b59abb1f6b48a"


def test_a_delivery_id_is_a_uuid_of_version_5() -> None:
    made = uuid.UUID(ids.delivery_id("wh_1", "evt_1"))
    assert (made.version, made.variant) == (5, uuid.RFC_4122)


@pytest.mark.parametrize("pair", [("wh_1e", "vt_1"), ("wh_1", "evt_2"), ("wh_2", "evt_1")])
def test_other_pairs_are_other_deliveries(pair: tuple[str, str]) -> None:
    assert ids.delivery_id(*pair) != ids.delivery_id("wh_1", "evt_1")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_an_event_id_holds_its_time_and_is_a_valid_id(now_ms: int, randomness: bytes) -> None:
    made = uuid.UUID(ids.uuid7(now_ms, randomness))
    assert (made.version, made.variant, made.int >> 80) == (7, uuid.RFC_4122, now_ms)
    assert ids.is_id(ids.event_id(now_ms, randomness))


def test_randomness_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        ids.uuid7(1, b"short")


@pytest.mark.parametrize("text", ["", "a.b", "a b", "é", "x" * 65, "a\n", "ａ"])
def test_what_is_no_id(text: str) -> None:
    assert not ids.is_id(text)


def test_a_keyed_id_depends_on_salt_workspace_and_key() -> None:
    made = {
        ids.event_id_for_key(*args)
        for args in [(b"s", "w", "k"), (b"t", "w", "k"), (b"s", "x", "k"), (b"s", "w", "l")]
    }
    assert len(made) == 4
    assert all(map(ids.is_id, made))


def test_the_payload_hash_is_over_type_and_data_alone() -> None:
    same = ids.payload_hash(an_event(id="other", created_at_ms=1, subject="s"))
    assert same == ids.payload_hash(an_event())
    assert ids.payload_hash(an_event(data=b"{}")) != ids.payload_hash(an_event())
    assert ids.payload_hash(an_event(type="x")) != ids.payload_hash(an_event())
