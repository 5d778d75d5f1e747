"""Remembered: bounded in number, small, and the latest turn of a delivery is what counts."""

import pytest

from hookstream.model.ids import delivery_id
from hookstream.model.records import Result
from hookstream.stream.remembered import RING, TURN_BYTES, Entry, Remembered, key_of
from hookstream.stream.settled import Settled, Settlement, Step
from tests.unit.held import bytes_of


def settled(s: Settled, delivery: str, turn: int, result: Result = "succeeded") -> None:
    """A turn as a deliverer goes through it, in values that nobody else keeps."""
    hash_ = f"{turn}{delivery[:8]}"
    s.take(delivery, turn, hash_)
    s.ended(delivery, Settlement(turn=turn, result=result, hash=hash_, source=len(s) + 1000))


def test_a_remembered_turn_takes_no_more_than_is_said() -> None:
    s = Settled()
    for number in range(2 * RING + 5_000):
        settled(s, delivery_id("first", str(number)), 1)
        settled(s, delivery_id("later", str(number)), 2)
    assert len(s) == 2 * RING
    assert bytes_of(s) / len(s) <= TURN_BYTES


def test_of_what_was_never_much_little_is_kept() -> None:
    s = Settled()
    for number in range(100):
        settled(s, delivery_id("w", str(number)), 1)
    assert bytes_of(s) < 100 * 2 * TURN_BYTES


def test_the_oldest_is_forgotten_and_who_came_again_is_not() -> None:
    r = Remembered(ring=3)
    forgotten = [r.put(key, 1, "failed", 7) for key in "abacde"]
    assert forgotten == [None, None, None, None, "b", "a"]
    assert [key for key in "abcde" if r.find(key)] == ["c", "d", "e"]


def test_the_latest_turn_counts_wherever_it_stands() -> None:
    r = Remembered(ring=2)
    r.put("d", 1, "retrying", 7)
    r.put("d", 2, "succeeded", -7)
    assert r.find("d") == Entry(2, "succeeded", -7)
    for other in "xyz":
        r.put(other, 1, "failed", 0)
    assert r.find("d") == Entry(2, "succeeded", -7)
    assert len(r) == 3


@pytest.mark.parametrize("id_", ["d", "g" * 36, "evt_" + "0" * 32])
def test_an_id_that_is_no_uuid_is_known_by_its_text(id_: str) -> None:
    assert key_of(id_) == id_
    s = Settled()
    settled(s, id_, 1)
    assert s.take(id_, 1, "") is Step.DROP
    assert s.take(id_ + "e", 1, "") is Step.EXECUTE


def test_a_successor_not_written_is_forgotten_with_its_turn() -> None:
    s = Settled(ring=2)
    for delivery in ("a", "b", "c"):
        due = Settlement(turn=1, result="retrying", hash="h", next_due_at_ms=1_000)
        s.learn(delivery, due, source_done=False)
    assert s.take("a", 1, "h") is Step.EXECUTE
    assert s.take("b", 1, "h") is Step.REWRITE
    assert s.rewritten("b").next_due_at_ms == 1_000
    assert s.take("b", 1, "h") is Step.DROP


def test_the_turn_after_one_whose_successor_may_be_missing_is_not_written_again() -> None:
    s = Settled()
    s.learn("d", Settlement(turn=1, result="retrying", hash="h"), source_done=False)
    assert s.take("d", 2, "h") is Step.EXECUTE
    assert [s.take("d", turn, "h") for turn in (1, 2)] == [Step.DROP, Step.DROP]
