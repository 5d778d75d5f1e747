"""What status does of its own accord, all of it in Postgres: each duty in its own time.

Of several processes one does it: what is sent at a pace would else be sent at a multiple of it.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from hookstream.model.policy import DAY_MS
from hookstream.store import cancellations, dead, offsets, partitions
from hookstream.store.change import Change
from hookstream.store.pool import UNAVAILABLE
from hookstream.store.session import Session
from hookstream.store.survey import Survey, survey
from services.status.overdue import Overdues
from services.status.replaying import Replaying
from services.status.settings import StatusSettings
from services.status.waiting import Waiting

ACTOR = "status"
_LOCK = 0x686F6F6B00000004
"""Advisory lock of the process that does the upkeep: 'hook', 4."""
_EVERY_S = 1.0
_SENDING_EVERY_S = 0.2
"""While something goes out: a little often, so that it keeps its order and live events theirs."""
_BOUNDS_EVERY_S = 5.0
_DAYS_EVERY_S = 60.0
_PAGE = 500
logger = logging.getLogger(__name__)


def today() -> date:
    """The UTC day."""
    return datetime.now(UTC).date()


class Upkeep:
    """The duties, on one connection and in one thread."""

    def __init__(
        self,
        dsn: str,
        settings: StatusSettings,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._session = Session(dsn)
        self._settings = settings
        self._clock_ms = clock_ms
        self.waiting = Waiting(self._session, settings, clock_ms)
        self.replaying = Replaying(self._session, settings.release_per_s, clock_ms)
        self.overdue = Overdues(self._session, clock_ms)
        self.survey: Survey | None = None
        """What waited when this process looked last, for metrics."""
        self._sent_at = time.monotonic()
        self._duties: list[Duty] = [
            Duty(_EVERY_S, self.overdue.round),
            Duty(_BOUNDS_EVERY_S, self.look),
            Duty(_BOUNDS_EVERY_S, self.waiting.expire),
            Duty(_BOUNDS_EVERY_S, self.waiting.overflow),
            Duty(_BOUNDS_EVERY_S, self.forget_cancellations),
            Duty(_DAYS_EVERY_S, self.days),
        ]

    def run(self, stopping: threading.Event) -> None:
        """Until `stopping`; waits while the database is away, or another process does it."""
        pause_s = _EVERY_S
        while not stopping.wait(pause_s):
            pause_s = _EVERY_S
            try:
                if self._session.claim(_LOCK):
                    pause_s = self.round(stopping)
            except UNAVAILABLE as error:
                logger.warning("upkeep waits: %s", error)
        self._session.close()

    def round(self, stopping: threading.Event) -> float:
        """Everything that is due now; in how many seconds to come again."""
        if self._is_filling():
            return _EVERY_S
        pause_s = _SENDING_EVERY_S if self._send() else _EVERY_S
        self._do(stopping)
        return pause_s

    def _is_filling(self) -> bool:
        """After a restore: what stands as waiting here may have been sent long ago."""
        with self._session.transaction() as cursor:
            return offsets.unfilled(cursor) > 0

    def _send(self) -> int:
        """What waits, and replays, by the time since the last round; how many went."""
        now = time.monotonic()
        over_s, self._sent_at = min(now - self._sent_at, _EVERY_S), now
        return self.waiting.round(over_s) + self.replaying.round(over_s)

    def _do(self, stopping: threading.Event) -> None:
        for duty in self._duties:
            if not stopping.is_set() and time.monotonic() >= duty.due_at:
                duty.work()
                duty.due_at = time.monotonic() + duty.every_s - _SENDING_EVERY_S / 2

    def look(self) -> None:
        """See what waits."""
        with self._session.transaction() as cursor:
            self.survey = survey(cursor, time.monotonic(), self._clock_ms())

    def forget_cancellations(self) -> None:
        """Let go of cancellations that no turn can meet any more."""
        with self._session.transaction() as cursor:
            cancellations.forget_before(Change(cursor, ACTOR), self._clock_ms(), _PAGE)

    def days(self) -> None:
        """Make the days ahead, drop those that are not kept, and dead letters with them."""
        now = today()
        partitions.ensure(self._session.connection(), [now + timedelta(n) for n in range(3)])
        with self._session.transaction() as cursor:
            there = partitions.existing(cursor)
        for day in sorted(d for d in there if d < now - timedelta(self._settings.kept_days)):
            self._drop(day)
        self._forget_dead()

    def _drop(self, day: date) -> None:
        self.waiting.end_day(day)
        with self._session.transaction() as cursor:
            partitions.drop(cursor, day)

    def _forget_dead(self) -> None:
        before_ms = self._clock_ms() - self._settings.dead_kept_days * DAY_MS
        with self._session.transaction() as cursor:
            dead.forget_before(cursor, before_ms)


class Duty:
    """Something to do again and again; when it is due next."""

    def __init__(self, every_s: float, work: Callable[[], object]) -> None:
        self.every_s = every_s
        self.work = work
        self.due_at = 0.0
