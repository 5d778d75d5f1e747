"""Turns are apart under load alone."""

import pytest

from hookstream.stream.pace import APART_S, BUSY_PER_S, Pace


def after_a_second(per_s: int) -> float:
    """How long a loop that has been taking `per_s` records a second rests."""
    pace = Pace()
    turns = 100
    for turn in range(turns):
        pace.took(per_s // turns, turn / turns)
    return pace.rest_s((turns - 1) / turns)


def test_little_is_taken_the_moment_it_comes() -> None:
    assert after_a_second(100) == 0


def test_under_load_turns_are_apart() -> None:
    assert after_a_second(2 * BUSY_PER_S) == pytest.approx(APART_S)


def test_what_the_turn_took_itself_is_no_rest_besides() -> None:
    pace = Pace()
    for turn in range(100):
        pace.took(100, turn / 100)
    assert pace.rest_s(0.99 + APART_S / 2) <= APART_S / 2 + 1e-9
    assert pace.rest_s(1.5) == 0


def test_load_that_is_over_is_forgotten() -> None:
    pace = Pace()
    for turn in range(100):
        pace.took(100, turn / 100)
    for turn in range(100, 150):
        pace.took(0, turn / 100)
    assert pace.rest_s(1.49) == 0
