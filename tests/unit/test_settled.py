"""Settled: what a deliverer must not do again (once.md 7 to 10)."""

import pytest

from hookstream.model.records import Result
from hookstream.stream.settled import Settled, Settlement, Step, deciding
from hookstream.stream.tail import settlement_of


def ended(turn: int, result: Result, source: int = 0) -> Settlement:
    due = 1_000 if result in {"retrying", "deferred"} else None
    return Settlement(turn=turn, result=result, hash="h", source=source, next_due_at_ms=due)


def test_a_delivery_nobody_knows_is_executed() -> None:
    assert Settled().take("d", 1, "h") is Step.EXECUTE


def test_a_turn_that_is_open_here_is_not_executed_twice() -> None:
    s = Settled()
    s.take("d", 1, "h")
    assert s.take("d", 1, "h") is Step.DROP


@pytest.mark.parametrize("result", ["succeeded", "failed", "waiting", "parked", "cancelled"])
def test_no_turn_of_a_final_delivery_is_executed(result: Result) -> None:
    s = Settled()
    s.ended("d", ended(2, result))
    assert [s.take("d", t, "h") for t in (1, 2, 3)] == [Step.DROP] * 3


def test_the_next_turn_is_executed_and_the_one_before_is_not() -> None:
    s = Settled()
    s.ended("d", ended(1, "retrying"))
    assert (s.take("d", 1, "h"), s.take("d", 2, "h")) == (Step.DROP, Step.EXECUTE)


def test_the_same_id_with_another_payload_is_a_conflict() -> None:
    s = Settled()
    s.take("d", 1, "h")
    assert s.take("d", 1, "other") is Step.CONFLICT


def test_a_successor_not_known_as_acknowledged_is_written_again_once() -> None:
    s = Settled()
    s.learn("d", ended(1, "retrying"), source_done=False)
    assert s.take("d", 1, "h") is Step.REWRITE
    s.rewritten("d")
    assert s.take("d", 1, "h") is Step.DROP


def test_a_successor_known_as_acknowledged_is_left_alone() -> None:
    s = Settled()
    s.learn("d", ended(1, "deferred"), source_done=True)
    assert s.take("d", 1, "h") is Step.DROP


def test_superseded_settles_nothing() -> None:
    s = Settled()
    s.learn("d", ended(1, "superseded"), source_done=False)
    assert s.take("d", 1, "h") is Step.EXECUTE


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        (ended(1, "retrying"), ended(1, "succeeded"), 2),
        (ended(1, "succeeded"), ended(1, "retrying"), 1),
        (ended(1, "retrying"), ended(1, "failed"), 1),
        (ended(1, "retrying"), ended(2, "deferred"), 2),
        (ended(2, "deferred"), ended(1, "retrying"), 1),
        (ended(1, "failed"), ended(2, "retrying"), 1),
        (ended(1, "superseded"), ended(1, "retrying"), 2),
        (ended(1, "retrying"), ended(2, "superseded"), 1),
        (ended(1, "failed"), ended(1, "succeeded"), 2),
    ],
)
def test_success_counts_before_others_else_the_first_in_the_log(
    first: Settlement, second: Settlement, counts: int
) -> None:
    assert deciding(first, second) is (first if counts == 1 else second)


def test_first_turns_and_later_turns_do_not_push_each_other_out() -> None:
    s = Settled(ring=2)
    s.ended("first", ended(1, "succeeded"))
    for n in range(5):
        s.ended(f"later{n}", ended(2, "succeeded"))
    assert len(s) == 3
    assert s.take("first", 1, "h") is Step.DROP
    assert s.take("later0", 2, "h") is Step.EXECUTE


def test_a_turn_open_here_is_never_forgotten() -> None:
    s = Settled(ring=1)
    s.take("open", 1, "h")
    for n in range(5):
        s.ended(f"d{n}", ended(1, "succeeded"))
    assert s.take("open", 1, "h") is Step.DROP


@pytest.mark.parametrize("result", ["succeeded", "failed"])
@pytest.mark.parametrize("known", ["retrying", "deferred", "waiting", None])
def test_a_callback_in_the_tail_ends_its_delivery_whatever_its_turn(
    result: Result, known: Result | None
) -> None:
    """It has no turn, hash or source, and stands before or after the turn's own outcome."""
    headers = {"delivery": b"d", "result": result.encode()}
    told = [settlement_of(headers)[1]]
    told += [ended(1, known)] if known else []
    for in_order in (told, told[::-1]):
        s = Settled()
        for each in in_order:
            s.learn("d", each, source_done=True)
        assert [s.take("d", t, "h") for t in (1, 2, 3)] == [Step.DROP] * 3
