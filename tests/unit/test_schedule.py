"""Schedules: the seeds' figures, and what holds for all."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hookstream.model.policy import Schedule
from hookstream.model.schedule import due_after, give_up_at_ms, schedule_length_ms
from tests.unit.values import a_policy, retrying


def delays(schedule: Schedule) -> list[int]:
    made = [due_after(schedule, n) for n in range(1, 40)]
    return [delay for delay in made if delay is not None]


def test_five_seconds_and_n_to_the_fourth_makes_fifteen_retries_in_two_days() -> None:
    """F4."""
    found = delays(Schedule(kind="polynomial", delays_ms=(5000,), power=4, max_requests=16))
    assert (found[0], found[1], found[-1], len(found)) == (6000, 21_000, 50_630_000, 15)
    assert round(sum(found) / 86_400_000, 2) == 2.06


def test_a_list_ends_where_it_ends() -> None:
    """W9, O2."""
    assert delays(retrying(5000, 30_000, 120_000, 600_000).schedule) == [
        5000, 30_000, 120_000, 600_000,
    ]  # fmt: skip
    assert delays(Schedule(delays_ms=(5000, 30_000), max_requests=9)) == [5000, 30_000]


def test_a_fixed_delay_repeats_up_to_the_number_of_requests() -> None:
    """P6."""
    assert delays(Schedule(kind="fixed", delays_ms=(60_000,), max_requests=10)) == [60_000] * 9


def test_an_exponential_one_stops_growing_at_its_ceiling() -> None:
    found = delays(
        Schedule(kind="exponential", delays_ms=(1000,), factor=2, max_requests=6, max_delay_ms=5000)
    )
    assert found == [1000, 2000, 4000, 5000, 5000]
    huge = Schedule(kind="exponential", delays_ms=(1000,), factor=1e300, max_requests=9)
    assert due_after(huge, 8) == huge.max_delay_ms


def test_by_default_there_is_one_request() -> None:
    assert due_after(Schedule(), 1) is None


_schedules = st.builds(
    Schedule,
    kind=st.sampled_from(["list", "fixed", "exponential", "polynomial"]),
    delays_ms=st.lists(st.integers(0, 10**8), max_size=12).map(tuple),
    factor=st.floats(1, 100),
    power=st.integers(0, 6),
    max_delay_ms=st.integers(0, 10**8),
    max_requests=st.integers(1, 20),
    jitter=st.floats(0, 1),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(_schedules, st.integers(1, 25), st.text())
def test_jitter_only_adds_within_its_share_and_always_the_same(
    schedule: Schedule, made: int, seed: str
) -> None:
    plain = due_after(replace(schedule, jitter=0.0), made)
    delay = due_after(schedule, made, seed)
    assert delay == due_after(schedule, made, seed)
    if plain is None:
        assert delay is None
    else:
        assert delay is not None
        assert plain <= delay <= plain * (1 + schedule.jitter)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(_schedules)
def test_once_there_is_no_next_attempt_there_is_none_later(schedule: Schedule) -> None:
    found = [due_after(schedule, made) for made in range(1, 25)]
    known = [delay for delay in found if delay is not None]
    assert found[: len(known)] == known
    assert len(known) < schedule.max_requests
    assert all(0 <= delay <= schedule.max_delay_ms * (1 + schedule.jitter) for delay in known)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(_schedules, st.lists(st.text(), min_size=25, max_size=25))
def test_a_delivery_is_never_given_up_before_its_schedule_ends(
    schedule: Schedule, seeds: list[str]
) -> None:
    policy = a_policy(schedule=schedule)
    spent = policy.deadline_ms
    for made in range(1, 25):
        delay = due_after(schedule, made, seeds[made])
        spent += 0 if delay is None else delay + policy.deadline_ms
    assert spent <= schedule_length_ms(policy)
    assert give_up_at_ms(policy, 5) >= 5 + spent + policy.give_up_after_ms
