"""The window: what may be committed, and what a commit says of the rest (once.md 1, 2, 8)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookstream.stream.window import SPAN, Committed, Window


def window(start: int = 0) -> Window:
    return Window(Committed(offset=start))


def read_back(w: Window) -> Committed:
    found = Committed.parse(w.base, w.metadata(7))
    assert found is not None
    return found


def test_nothing_below_an_unfinished_record_is_committed() -> None:
    w = window(10)
    for offset in (10, 11, 12):
        w.add(offset, 100)
    w.done(11)
    w.done(12)
    assert (w.base, w.open_bytes) == (10, 100)
    w.done(10)
    assert (w.base, w.open_bytes, len(w)) == (13, 0, 0)


def test_offsets_that_never_arrive_hold_nothing_up() -> None:
    w = window()
    for offset in (0, 5, 9):
        w.add(offset, 1)
    w.done(0)
    assert w.base == 5
    w.done(5)
    w.done(9)
    assert w.base == 10


def test_whoever_takes_over_skips_what_was_finished_beyond_the_commit() -> None:
    w = window(100)
    for offset in range(100, 110):
        w.add(offset, 1)
    for offset in (103, 104, 109):
        w.done(offset)
    found = read_back(w)
    assert (found.offset, set(found.done)) == (100, {103, 104, 109})
    successor = Window(found)
    assert [o for o in range(100, 112) if successor.add(o, 1)] == [
        100, 101, 102, 105, 106, 107, 108, 110, 111,
    ]  # fmt: skip


def test_a_done_map_survives_a_second_crash_before_its_records_arrive_again() -> None:
    first = window()
    for offset in range(50):
        first.add(offset, 1)
    for offset in range(1, 50):
        first.done(offset)
    second = Window(read_back(first))
    second.add(0, 1)
    assert read_back(second).done == set(range(1, 50))


def test_the_log_is_read_from_the_lowest_outcome_whose_record_is_not_done() -> None:
    w = window()
    for offset in range(4):
        w.add(offset, 1)
    w.logged(1, 500)
    w.logged(2, 501)
    w.done(1)
    assert read_back(w).log_from == 501
    w.done(2)
    assert read_back(w).log_from == 502


def test_an_outcome_read_from_the_tail_is_kept_until_its_record_is_done() -> None:
    """Two crashes in a row behind one hung record: the second owner must find it as well."""
    w = Window(Committed(offset=10, log_from=300))
    w.read_log_to(400)
    w.logged(12, 333)
    assert read_back(w).log_from == 333
    w.add(10, 1)
    w.add(12, 1)
    w.done(12)
    assert read_back(w).log_from == 400


def test_metadata_always_fits_what_a_broker_keeps() -> None:
    w = window()
    for offset in range(SPAN + 500):
        w.add(offset, 1)
    noise = 1
    for offset in range(1, SPAN + 500):
        noise = noise * 1103515245 + 12345 & 0x7FFFFFFF
        if noise & 0x40000:
            w.done(offset)
    assert len(w.metadata(2**41)) <= 4096


@pytest.mark.parametrize("metadata", [None, "", "{}", "2,1,1,", "1,x,,", "1,1,,~~~~", "1,1"])
def test_metadata_of_another_tool_is_not_ours(metadata: str | None) -> None:
    assert Committed.parse(5, metadata) is None


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.data())
def test_any_order_of_finishing_and_any_takeover_loses_and_repeats_nothing(
    data: st.DataObject,
) -> None:
    records = data.draw(st.lists(st.integers(0, 300), min_size=1, max_size=60, unique=True))
    records.sort()
    finished: set[int] = set()
    committed = Committed(offset=0)
    for _ in range(data.draw(st.integers(1, 4))):
        w = Window(committed)
        arrived = [o for o in records if o >= w.base and w.add(o, 1)]
        assert finished.isdisjoint(arrived)
        ends = data.draw(st.lists(st.sampled_from(arrived), unique=True)) if arrived else []
        for offset in ends:
            w.done(offset)
        finished |= set(ends)
        committed = read_back(w)
        assert {o for o in records if o < committed.offset} <= finished
        assert committed.done & set(records) <= finished
