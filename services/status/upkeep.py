"""Once a second: release what may go, end what waits in vain, make and drop days.

Several processes may do it at once: each takes other rows.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial

from hookstream.model.policy import DAY_MS
from hookstream.model.records import Result, Webhook
from hookstream.store import dead, failing, parked, partitions
from hookstream.store.change import Change
from hookstream.store.parked import Parked
from hookstream.store.pool import UNAVAILABLE, Cursor
from hookstream.store.session import Session
from services.status.release import ended, released
from services.status.settings import StatusSettings

ACTOR = "status"
_PAGE = 500
_EVERY_S = 1.0
_DAYS_EVERY_S = 60.0
logger = logging.getLogger(__name__)


def today() -> date:
    """The UTC day."""
    return datetime.now(UTC).date()


class Upkeep:
    """What status does of its own accord, all of it in Postgres."""

    def __init__(
        self,
        dsn: str,
        settings: StatusSettings,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._session = Session(dsn)
        self._settings = settings
        self._clock_ms = clock_ms

    def run(self, stopping: threading.Event) -> None:
        """Until `stopping`; waits while the database is away."""
        days_at = 0.0
        while not stopping.wait(_EVERY_S):
            try:
                self.release()
                self.end_deleted()
                self.expire()
                if time.monotonic() >= days_at:
                    self.days()
                    days_at = time.monotonic() + _DAYS_EVERY_S
            except UNAVAILABLE as error:
                logger.warning("upkeep waits: %s", error)
        self._session.close()

    def release(self) -> int:
        """A second's worth for each active webhook, oldest first; how many."""
        count = 0
        for webhook in self._waiting("active"):
            with self._session.transaction() as cursor:
                count += self._release(Change(cursor, ACTOR), webhook)
        return count

    def _release(self, change: Change, webhook: Webhook) -> int:
        now_ms = self._clock_ms()
        taken = parked.take_with_event(change.cursor, webhook.id, self._settings.release_per_s)
        for waited, event in taken:
            again = released(waited, event, webhook, now_ms)
            change.tell("deliveries", again.lane, again)
        self._end(change, [waited for waited, _ in taken], webhook, "cancelled", "released")
        return len(taken)

    def end_deleted(self) -> None:
        """Nothing waits for a deleted webhook, also what was parked after it was deleted."""
        for webhook in self._waiting("deleted"):
            self._pages(
                partial(parked.take, webhook=webhook.id, limit=_PAGE), "cancelled", "deleted"
            )

    def expire(self) -> None:
        """End what has waited too long, in good time before its event's day is dropped."""
        kept_days = min(self._settings.parked_kept_days, self._settings.kept_days - 1)
        before_ms = self._clock_ms() - kept_days * DAY_MS
        self._pages(lambda cursor: parked.take_before(cursor, before_ms, _PAGE))

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
        self._pages(lambda cursor: parked.take_of_day(cursor, day, _PAGE))
        with self._session.transaction() as cursor:
            partitions.drop(cursor, day)

    def _forget_dead(self) -> None:
        before_ms = self._clock_ms() - self._settings.dead_kept_days * DAY_MS
        with self._session.transaction() as cursor:
            dead.forget_before(cursor, before_ms)

    def _waiting(self, state: str) -> list[Webhook]:
        with self._session.transaction() as cursor:
            return parked.waiting_webhooks(cursor, state)

    def _pages(
        self,
        take: Callable[[Cursor], Sequence[Parked]],
        result: Result = "failed",
        reason: str = "expired",
    ) -> None:
        """Take and end page by page, a transaction each, until nothing is left."""
        taken: Sequence[Parked] = [_NOBODY]
        while taken:
            with self._session.transaction() as cursor:
                taken = take(cursor)
                known = failing.records(cursor, {waited.webhook for waited in taken})
                change = Change(cursor, ACTOR)
                for waited in taken:
                    self._end(change, [waited], known.get(waited.webhook), result, reason)

    def _end(
        self,
        change: Change,
        some: Sequence[Parked],
        webhook: Webhook | None,
        result: Result,
        reason: str,
    ) -> None:
        for waited in some:
            if webhook is not None:
                outcome = ended(waited, webhook, result, reason, self._clock_ms())
                change.tell("outcomes", outcome.lane, outcome)


_NOBODY = Parked(
    webhook="", logged_at_ms=0, delivery="", workspace="", event="", event_type="",
    subject=None, kind="event", reason=None,
)  # fmt: skip
