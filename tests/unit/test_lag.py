"""How far a partition is read, as metrics tell it."""

import pytest

from hookstream.stream.counts import Counts
from hookstream.stream.record import Assignment
from hookstream.stream.window import Committed

NOW_MS = 1_000_000


def assignment(offset: int = 10, at_ms: int = 400_000) -> Assignment:
    return Assignment("events", 3, Committed(offset=offset, at_ms=at_ms), None)  # type: ignore[arg-type]


def test_lag_is_what_is_not_finished_whether_it_was_read_or_not() -> None:
    it = assignment()
    assert it.lag == 0, "where it ends is not known yet"
    it.end = 15
    assert it.lag == 5
    it.window.add(10, 1)
    it.window.add(11, 1)
    assert it.lag == 5
    it.window.done(11)
    assert it.lag == 5
    it.window.done(10)
    assert it.lag == 3


@pytest.mark.parametrize(
    ("end", "read_at_ms", "age_s"),
    [
        (None, 0, 0.0),
        (10, 0, 0.0),  # all is read
        (11, 0, 600.0),  # nothing read since: from the last commit
        (12, 990_000, 10.0),
    ],
)
def test_the_oldest_unread_is_no_older_than_the_record_before_it(
    end: int | None, read_at_ms: int, age_s: float
) -> None:
    it = assignment()
    it.end, it.read_at_ms = end, read_at_ms or it.read_at_ms
    assert it.unread_age_s(NOW_MS) == age_s


def test_records_read_are_counted_on_when_a_partition_goes() -> None:
    counts = Counts(["events", "dead"])
    first, second = assignment(), assignment()
    first.read, second.read = 3, 4
    assert counts.read_of([first, second]) == {"events": 7, "dead": 0}
    counts.read["events"] += first.read  # as the loop does when it forgets one
    assert counts.read_of([second]) == {"events": 7, "dead": 0}
