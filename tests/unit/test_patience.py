"""Which unknown schemas hold a loop up: one wait in vain, and then none for a while."""

from hookstream.stream import patience
from hookstream.stream.patience import PAUSE_S, Patience


def test_who_writes_many_unknown_schemas_holds_a_loop_up_once_in_a_pause() -> None:
    some, now, waited = Patience(), 1_000.0, 0
    for number in range(10_000):
        if some.waits(now):
            waited += 1
            now += 30
            some.in_vain(f"schema {number}", now)
        now += PAUSE_S / 1_000
    assert waited == 10


def test_each_that_comes_late_is_waited_for_as_long_as_none_was_in_vain() -> None:
    some = Patience()
    assert all(some.waits(float(now)) for now in range(1_000, 2_000))


def test_one_that_was_waited_for_in_vain_is_known_and_the_memory_is_bounded() -> None:
    some = Patience()
    for number in range(patience._MOST_GIVEN_UP + 5):
        some.in_vain(f"schema {number}", 0.0)
    assert not some.is_given_up("schema 4")
    assert some.is_given_up("schema 5")
    assert some.is_given_up(f"schema {patience._MOST_GIVEN_UP + 4}")
