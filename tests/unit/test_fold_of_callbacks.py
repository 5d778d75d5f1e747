"""What callbacks, answers and the end of waiting say together, in whatever order they are read."""

from itertools import permutations
from typing import Any

import pytest

from hookstream.model.records import Outcome, Result
from hookstream.store.fold import ENDS, DeliveryRow, fold, merge, row_of
from hookstream.store.logged import Logged
from tests.status.samples import NOON_MS, outcome

Read = Logged[Any]


def at(record: Outcome, offset: int) -> Read:
    return Logged(record, 0, offset, NOON_MS + offset)


def answered(result: Result, turn: int = 1, reason: str | None = None, **more: Any) -> Outcome:
    return outcome(result, turn=turn, attempt_number=turn, stated_reason=reason, **more)


def closed(result: Result, reason: str | None = None) -> Outcome:
    none = {"turn": None, "attempt": None, "attempt_number": None, "response": None}
    return outcome(result, stated_reason=reason, **none)


def folded(*told: Outcome) -> DeliveryRow:
    """The row of these outcomes, in the log in this order, read in every order and grouping."""
    read = [at(each, offset) for offset, each in enumerate(told)]
    rows = set()
    for order in permutations(read):
        (together,) = fold(order)
        one_by_one = row_of(order[0])
        for each in (*order, order[0]):  # reading twice changes nothing
            one_by_one = merge(row_of(each), one_by_one)
        rows |= {together, one_by_one}
    assert len(rows) == 1, rows
    return rows.pop()


def ignored(row: DeliveryRow) -> set[str]:
    return {end for end, bit in ENDS.items() if row.closed_as & bit and end != row.state}


def test_p8_a_callback_closes_what_waits() -> None:
    row = folded(answered("waiting", waits_until_ms=NOON_MS + 9), closed("succeeded"))
    assert (row.state, row.turn, row.closing, row.waits_until_ms) == ("succeeded", None, True, None)
    assert row.attempts == 1
    assert ignored(row) == set()


def test_p8_a_callback_that_came_before_the_202_was_recorded_counts() -> None:
    row = folded(closed("failed", "no stock"), answered("waiting", waits_until_ms=NOON_MS + 9))
    assert (row.state, row.closing_reason, row.attempts) == ("failed", "no stock", 1)


@pytest.mark.parametrize(("first", "second"), [("succeeded", "failed"), ("failed", "succeeded")])
def test_p8_the_first_close_of_the_log_wins_and_the_other_is_ignored(
    first: Result, second: Result
) -> None:
    row = folded(answered("waiting"), closed(first, "one"), closed(second, "two"))
    assert (row.state, row.closing_reason, ignored(row)) == (first, "one", {second})


def test_p8_the_same_again_changes_nothing() -> None:
    once = folded(answered("waiting"), closed("failed", "no stock"))
    twice = folded(answered("waiting"), closed("failed", "no stock"), closed("failed", "again"))
    assert twice == once


def test_p8_a_callback_after_a_success_is_ignored() -> None:
    row = folded(answered("succeeded"), closed("failed", "no stock"))
    assert (row.state, row.turn, row.closing_reason, ignored(row)) == (
        "succeeded", 1, None, {"failed"},
    )  # fmt: skip


def test_a_retry_that_went_out_after_a_callback_counts_as_a_request_alone() -> None:
    row = folded(answered("retrying", reason="busy"), closed("succeeded"), answered("failed", 2))
    assert (row.state, row.attempts, row.closing_reason) == ("succeeded", 2, None)


def test_p5_the_reason_is_that_of_the_last_attempt() -> None:
    deferred = outcome("deferred", turn=2, attempt=None, attempt_number=None)
    expired = outcome("failed", turn=3, reason="expired", attempt=None, attempt_number=None)
    row = folded(answered("retrying", reason="busy"), deferred, expired)
    assert (row.state, row.stated_reason) == ("failed", "busy")
    assert folded(answered("retrying", reason="busy"), answered("failed", 2)).stated_reason is None
    row = folded(answered("retrying", reason="busy"), answered("failed", 2, "gone for good"))
    assert row.stated_reason == "gone for good"


def test_m8_values_are_those_of_the_last_answer_and_outlive_a_callback() -> None:
    first = answered("retrying", values=b'{"a":1}')
    second = answered("waiting", 2, values=b'{"a":2}', values_note="b: is too large")
    row = folded(first, second, closed("succeeded"))
    assert (row.state, row.extracted, row.extracted_note) == (
        "succeeded", b'{"a":2}', "b: is too large",
    )  # fmt: skip
