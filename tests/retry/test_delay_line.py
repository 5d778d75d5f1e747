"""The delay line by itself: each record at its moment, whatever was waited for when it came."""

from collections.abc import Iterator

import pytest

from services.retry import delay_line
from services.retry.delay_line import DelayLine, clock_ms
from services.retry.held import Held
from tests.fixtures.kafka import run_in_thread, wait_until

LATE_MS = 5_000
SOON_MS = 50


class Released:
    """What the line let go, and when."""

    def __init__(self) -> None:
        self.at_ms: list[float] = []
        self.line = DelayLine(self._take, clock_ms)

    def _take(self, _: Held) -> None:
        self.at_ms.append(clock_ms())

    def put(self, due_at_ms: int) -> None:
        """A record that waits until then."""
        self.line.put([(due_at_ms, Held.__new__(Held))])

    def late_ms(self) -> float:
        """How late a record is released that is due at once."""
        before, due_at_ms = len(self.at_ms), int(clock_ms()) + SOON_MS
        self.put(due_at_ms)
        wait_until(lambda: len(self.at_ms) > before, 30)
        return self.at_ms[before] - due_at_ms


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Iterator[Released]:
    """A line that sleeps for a minute at a time when it has nothing to do."""
    monkeypatch.setattr(delay_line, "_LONGEST_S", 60.0)
    made = Released()
    thread = run_in_thread(made.line.run)
    yield made
    made.line.close()
    thread.join(10)
    assert not thread.is_alive()


def test_what_comes_while_nothing_waits_is_on_time(released: Released) -> None:
    for _ in range(5):
        assert 0 <= released.late_ms() <= LATE_MS


def test_what_is_due_sooner_than_the_first_goes_first(released: Released) -> None:
    released.put(int(clock_ms()) + 50_000)
    for _ in range(5):
        assert 0 <= released.late_ms() <= LATE_MS
    assert len(released.line) == 1
