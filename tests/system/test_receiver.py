"""The demo receiver's moods and its record."""

import time
from collections.abc import Iterator

import httpx2
import pytest

from services.cli.receiving import Receiving


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiving]:
    """One process for all."""
    with Receiving() as started:
        yield started


def statuses(receiver: Receiving, target: str, count: int = 3) -> list[int]:
    with httpx2.Client(trust_env=False) as client:
        return [
            client.post(
                receiver.url + target, headers={"webhook-id": f"e{n}"}, content=b"{}"
            ).status_code
            for n in range(count)
        ]


def test_it_takes_everything_by_default(receiver: Receiving) -> None:
    assert statuses(receiver, "/ok") == [200, 200, 200]
    assert [seen.id for seen in receiver.record()["/ok"]] == ["e0", "e1", "e2"]
    assert receiver.counts()["/ok"] == 3


def test_it_fails_as_often_as_it_is_told(receiver: Receiving) -> None:
    assert statuses(receiver, "/five?status=500&fail=2") == [500, 500, 200]
    assert statuses(receiver, "/four?status=429&fail=1&after=7") == [429, 200, 200]
    assert [seen.status for seen in receiver.record()["/four"]] == [429, 200, 200]


def test_it_holds_the_connection_and_recovers(receiver: Receiving) -> None:
    with httpx2.Client(trust_env=False, timeout=0.3) as client, pytest.raises(httpx2.ReadTimeout):
        client.post(f"{receiver.url}/hang?hang=1")
    assert statuses(receiver, "/hang?hang=1", 1) == [200]
    assert [seen.status for seen in receiver.record()["/hang"]] == [None, 200]


def test_it_can_be_slow(receiver: Receiving) -> None:
    before = time.monotonic()
    assert statuses(receiver, "/slow?slow=200", 1) == [200]
    assert time.monotonic() - before >= 0.2
