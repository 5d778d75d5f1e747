"""The way of one delivery through its retries, read from the topics, and what must hold of it.

A record of a waiting turn stands on `retry`, then on each tier it passes, then on `deliveries`,
with the same due time. All clocks are this machine's, so the broker's stamps compare with ours.
"""

from collections.abc import Sequence
from typing import NamedTuple

from hookstream.model.records import UNSETTLED, Attempt, Outcome
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import DELIVERIES, OUTCOMES, RETRY, TIERS
from services.retry.tiers import HOLD_MS, next_hop
from tests.fixtures.kafka import Seen, read_all

JUDGED_WITHIN_MS = 5_000
"""From a failed attempt's end to its outcome: its delay begins between them. A few in truth."""
STAMP_MS = 2
"""Two stamps of whole milliseconds may seem nearer to each other by so much."""
LATE_MS = 10_000
"""From due to sent; the promise is 100, a busy machine may take a hundred times that."""
MOVED_WITHIN_MS = 5_000
"""From the end of a hop to the next record; 30 to 40 in truth."""


class Wait(NamedTuple):
    """From one attempt to the next."""

    before: Attempt
    judged_by_ms: int
    """When the outcome of that was written: its delay is counted from no later."""
    due_at_ms: int
    asked_at_ms: int
    """When the record was on `retry`."""
    hops: tuple[tuple[int, str], ...]
    """(when, tier) of each record on a tier, in order."""
    back_at_ms: int | None
    """When it was on `deliveries` again; None: it still waits."""
    after: Attempt | None

    @property
    def delay_ms(self) -> int:
        """From the end of the attempt before."""
        return self.due_at_ms - self.ended_at_ms

    @property
    def ended_at_ms(self) -> int:
        """The end of the attempt before."""
        return self.before.started_at_ms + self.before.duration_ms


class Journey(NamedTuple):
    """One delivery: its waits, and how it stands."""

    waits: tuple[Wait, ...]
    attempts: tuple[Attempt, ...]
    last: Outcome

    @property
    def tiers(self) -> list[list[str]]:
        """The tiers of each wait."""
        return [[tier for _, tier in wait.hops] for wait in self.waits]


class Topics:
    """All that is on the topics a delivery passes, read once."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._seen = {name: read_all(kafka, name) for name in (OUTCOMES, RETRY, *TIERS, DELIVERIES)}

    def journey(self, delivery: str) -> Journey:
        """The way of one delivery so far."""
        found = [s.value for s in self._seen[OUTCOMES] if _is_of(s, delivery)]
        settled = [o for o in found if isinstance(o, Outcome) and o.result not in UNSETTLED]
        outcomes = sorted(settled, key=lambda o: o.turn or 0)
        attempts = [o.attempt for o in outcomes if o.attempt is not None]
        assert len(attempts) == len(outcomes), "a turn without a request: it was deferred"
        waiting = [o for o in outcomes if o.result == "retrying"]
        after = [*attempts[1:], None][: len(waiting)]
        pairs = list(zip(waiting, after, strict=True))
        if after[-1:] == [None] and not self._asked(delivery, waiting[-1]):
            pairs.pop()  # it is asked for a moment after its outcome
        waits = tuple(self._wait(delivery, outcome, attempt) for outcome, attempt in pairs)
        return Journey(waits, tuple(attempts), outcomes[-1])

    def _wait(self, delivery: str, outcome: Outcome, after: Attempt | None) -> Wait:
        assert outcome.turn is not None
        assert outcome.attempt is not None
        assert outcome.next_due_at_ms is not None
        turn = outcome.turn + 1
        asked, *_ = self._asked(delivery, outcome)
        hops = [(at, tier) for tier in TIERS for at in self._times(tier, delivery, turn)]
        back = self._times(DELIVERIES, delivery, turn)
        assert len(back) <= 1, "it was released twice"
        return Wait(
            outcome.attempt,
            outcome.ended_at_ms,
            outcome.next_due_at_ms,
            asked,
            tuple(sorted(hops)),
            back[0] if back else None,
            after,
        )

    def _asked(self, delivery: str, outcome: Outcome) -> list[int]:
        """When the turn after this one was on `retry`: once, unless it was written again."""
        return self._times(RETRY, delivery, (outcome.turn or 0) + 1)

    def _times(self, topic: str, delivery: str, turn: int) -> list[int]:
        number = b"%d" % turn
        seen = (s for s in self._seen[topic] if _is_of(s, delivery))
        return [s.timestamp_ms for s in seen if s.headers["turn"] == number]


def _is_of(seen: Seen, delivery: str) -> bool:
    return seen.headers.get("delivery") == delivery.encode()


def check(
    journey: Journey, delays_ms: Sequence[float], scale: float = 1.0, jitter: float = 0.0
) -> None:
    """The delays are these, nothing was early, nothing later than is said above, and each wait
    took the tiers it had to."""
    assert len(journey.waits) == len(delays_ms), [wait.delay_ms for wait in journey.waits]
    for wait, delay_ms in zip(journey.waits, delays_ms, strict=True):
        assert wait.delay_ms >= delay_ms - STAMP_MS, (wait, delay_ms)
        most = delay_ms * (1 + jitter) + STAMP_MS
        assert wait.due_at_ms - wait.judged_by_ms <= most, (wait, delay_ms)
        assert wait.judged_by_ms - wait.ended_at_ms <= JUDGED_WITHIN_MS, wait
        _check_time(wait)
        _check_hops(wait, scale)


def _check_time(wait: Wait) -> None:
    if wait.back_at_ms is not None:
        assert 0 <= wait.back_at_ms - wait.due_at_ms <= LATE_MS, wait
    if wait.after is not None:
        assert 0 <= wait.after.started_at_ms - wait.due_at_ms <= LATE_MS, wait


def _check_hops(wait: Wait, scale: float) -> None:
    """Each record is on the longest tier that was left in time when it was written, which is
    between the end of the hop before and the broker's stamp, cut to whole milliseconds; and none
    is missing. A hop is as long as its tier from when it was written, not from the stamp."""
    free_at_ms: float = wait.asked_at_ms
    free_by_ms = free_at_ms
    for at_ms, tier in wait.hops:
        assert at_ms >= int(free_at_ms), ("a tier was left early", wait)
        least, most = _length(wait, at_ms + 1, scale), _length(wait, free_at_ms - 1, scale)
        assert least <= TIERS[tier] <= most, (tier, wait)
        free_at_ms += TIERS[tier] * scale
        free_by_ms = at_ms + TIERS[tier] * scale
    if wait.back_at_ms is not None:
        moved_at_ms = free_by_ms + MOVED_WITHIN_MS
        assert wait.due_at_ms - moved_at_ms <= HOLD_MS * scale, ("a hop is missing", wait)


def _length(wait: Wait, at_ms: float, scale: float) -> int:
    tier = next_hop(wait.due_at_ms, int(at_ms), scale)
    return 0 if tier is None else TIERS[tier]
