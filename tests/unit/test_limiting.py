"""How often one API key may ask."""

import pytest
from starlette.datastructures import Headers

from services.console.limiting import Buckets, presented


class Clock:
    """Seconds, as a test says."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_is_allowed_then_one_at_a_time(clock: Clock) -> None:
    buckets = Buckets(per_s=2, burst=3, clock=clock)
    assert [buckets.take(b"k").remaining for _ in range(3)] == [2, 1, 0]
    refused = buckets.take(b"k")
    assert (refused.allowed, refused.next_in_s, refused.full_in_s) == (False, 0.5, 1.5)
    clock.now_s += 0.4
    assert not buckets.take(b"k").allowed
    clock.now_s += 0.1
    assert buckets.take(b"k").allowed
    assert not buckets.take(b"k").allowed


def test_what_is_refused_takes_nothing(clock: Clock) -> None:
    buckets = Buckets(per_s=1, burst=1, clock=clock)
    buckets.take(b"k")
    for _ in range(100):
        assert not buckets.take(b"k").allowed
    clock.now_s += 1
    assert buckets.take(b"k").allowed


def test_a_bucket_is_never_fuller_than_its_burst(clock: Clock) -> None:
    buckets = Buckets(per_s=1000, burst=2, clock=clock)
    buckets.take(b"k")
    clock.now_s += 3600
    assert buckets.take(b"k").remaining == 1


def test_each_key_has_a_bucket_of_its_own(clock: Clock) -> None:
    buckets = Buckets(per_s=1, burst=1, clock=clock)
    assert buckets.take(b"a").allowed
    assert buckets.take(b"b").allowed
    assert not buckets.take(b"a").allowed


def test_the_buckets_used_last_are_kept(clock: Clock) -> None:
    buckets = Buckets(per_s=1, burst=1, clock=clock, most_keys=2)
    for key in (b"a", b"b", b"a", b"c"):
        buckets.take(key)
    assert not buckets.take(b"a").allowed
    assert buckets.take(b"b").allowed
    assert len(buckets._buckets) == 2


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"authorization": "Bearer k1"}, "k1"),
        ({"authorization": "bearer  k1 "}, "k1"),
        ({"authorization": "Basic k1"}, ""),
        ({"authorization": "Basic k1", "x-api-key": "k2"}, "k2"),
        ({"authorization": "Bearer k1", "x-api-key": "k2"}, "k1"),
        ({"x-api-key": " k2"}, "k2"),
        ({}, ""),
    ],
)
def test_the_key_is_read_as_it_is_checked(headers: dict[str, str], key: str) -> None:
    assert presented(Headers(headers)) == key
