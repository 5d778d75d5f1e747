"""When a fault of ours is one record's, and when the process can do nothing right."""

from hypothesis import given
from hypothesis import strategies as st

from hookstream.model.schedule import give_up_at_ms
from hookstream.stream.fault_rate import LAST, FaultRate
from services.deliverer.admit import put_aside
from tests.unit.values import a_delivery, a_policy


@given(st.lists(st.booleans(), max_size=200))
def test_it_is_the_process_once_more_than_half_of_the_last_failed(ends: list[bool]) -> None:
    rate = FaultRate()
    for number, failed in enumerate(ends, start=1):
        if not failed:
            rate.went_well()
            continue
        last = ends[max(0, number - LAST) : number]
        assert rate.failed() == (sum(last) > LAST // 2)


def test_one_in_a_hundred_is_never_the_process() -> None:
    rate = FaultRate()
    for _ in range(100):
        assert not rate.failed()
        for _ in range(99):
            rate.went_well()


def test_what_always_fails_is_put_aside_a_few_dozen_times_till_it_is_given_up() -> None:
    """Each time costs the broker some records, and a mended release is noticed within a quarter."""
    delivery, now_ms, times = a_delivery(due_at_ms=0), 0, 0
    end_ms = give_up_at_ms(a_policy(), 0)
    while now_ms < end_ms:
        plan = put_aside(delivery, now_ms)
        assert plan.why == "fault"
        assert 0 < plan.until_ms - now_ms <= max(15_000, now_ms / 4)
        delivery = a_delivery(deferred_since_ms=0, reason="fault", turn=delivery.turn + 1)
        now_ms, times = plan.until_ms, times + 1
    assert times < 60
