"""What waits for a webhook that gets nothing now: released, given up, or ended by its bounds.

Page by page, a transaction each, so that a crash at any moment leaves nothing half done and no
other duty waits for long (once.md 22).
"""

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

from hookstream.model.policy import DAY_MS
from hookstream.model.records import Attempt, Result, Webhook
from hookstream.store import attempts, deliveries, failing, parked
from hookstream.store.change import Change
from hookstream.store.parked import Parked, ToDo
from hookstream.store.pool import Cursor
from hookstream.store.session import Session
from services.status.pace import Pace
from services.status.release import chains, ended, released
from services.status.settings import StatusSettings

ACTOR = "status"
_PAGE = 500
_ROUND = 5_000
"""Parked deliveries that one duty ends before the next has its turn."""
_EVENTS = 50
"""Released in one transaction, each with its event's payload."""
Take = Callable[[Cursor], Sequence[Parked]]


class Waiting:
    """The duties of upkeep over the table `parked`."""

    def __init__(
        self, session: Session, settings: StatusSettings, clock_ms: Callable[[], int]
    ) -> None:
        self._session = session
        self._settings = settings
        self._clock_ms = clock_ms
        self._pace = Pace(settings.release_per_s)

    def round(self, over_s: float = 1.0) -> int:
        """End what was given up, and release what may go in so many seconds; how many went."""
        with self._session.transaction() as cursor:
            found = parked.to_do(cursor)
        for each in found:
            self._give_up(each)
        active = [each for each in found if each.webhook.state == "active"]
        paces = self._pace.round([each.webhook for each in active])
        return sum(self._release_to(each, paces[each.webhook.id], over_s) for each in active)

    def _give_up(self, each: ToDo) -> None:
        webhook, till_ms = each.webhook.id, each.discard_till_ms
        if each.webhook.state == "deleted":
            take: Take = partial(parked.take, webhook=webhook, limit=_PAGE)
            self._end_pages(take, "cancelled", "webhook_deleted", _ROUND)
        elif till_ms is not None:
            take = partial(parked.take_discarded, webhook=webhook, till_ms=till_ms, limit=_PAGE)
            self._end_pages(take, "cancelled", "discarded", _ROUND)

    def _release_to(self, each: ToDo, per_s: float, over_s: float) -> int:
        """Oldest first, and fewer while the receiver is behind: live events are not held back."""
        with self._session.transaction() as cursor:
            behind = deliveries.is_behind(cursor, each.webhook.id)
        left = most = self._pace.whole(each.webhook, per_s, behind, over_s)
        while left:
            with self._session.transaction() as cursor:
                some = self._release_some(
                    Change(cursor, ACTOR), each.webhook.id, min(left, _EVENTS)
                )
            left -= some
            if some < _EVENTS:
                break
        return most - left

    def _release_some(self, change: Change, id_: str, limit: int) -> int:
        """By the webhook as it is now: what was discarded a moment ago is not sent any more."""
        each = parked.now(change.cursor, id_)
        if each is None or each.webhook.state != "active":
            return 0
        webhook, now_ms = each.webhook, self._clock_ms()
        taken = parked.take_with_event(change.cursor, webhook.id, limit, each.discard_till_ms)
        before = self._made(change.cursor, webhook, [waited for waited, _ in taken])
        again = [
            released(waited, event, webhook, before.get(waited.delivery, ()), now_ms)
            for waited, event in taken
        ]
        change.tell_many("deliveries", [(delivery.lane, delivery) for delivery in again])
        self._tell(change, [(w, webhook) for w, _ in taken], "cancelled", "released")
        return len(taken)

    def _made(
        self, cursor: Cursor, webhook: Webhook, taken: Sequence[Parked]
    ) -> dict[str, tuple[Attempt, ...]]:
        """The requests already made for each of these, by itself and by what it was released for:
        waiting costs no attempt, and wins none either."""
        again = [waited.event for waited in taken if waited.kind == "release"]
        known = (
            deliveries.released_before(cursor, webhook.workspace, webhook.id, again)
            if again
            else []
        )
        by_chain = chains([waited.delivery for waited in taken], known)
        made = attempts.made(cursor, {each for chain in by_chain.values() for each in chain})
        return {
            last: tuple(attempt for each in chain for attempt in made.get(each, ()))
            for last, chain in by_chain.items()
        }

    def expire(self) -> None:
        """End what has waited too long."""
        before_ms = self._clock_ms() - self._settings.parked_kept_days * DAY_MS
        take = partial(parked.take_before, parked_at_ms=before_ms, limit=_PAGE)
        self._end_pages(take, "failed", "expired", _ROUND)

    def overflow(self) -> None:
        """Of a webhook that too many wait for, the oldest end: what is kept has no gap."""
        most = self._settings.parked_most
        with self._session.transaction() as cursor:
            webhooks = parked.crowded(cursor, most)
        for webhook in webhooks:
            take = partial(parked.take_beyond, webhook=webhook, most=most, limit=_PAGE)
            self._end_pages(take, "failed", "overflow", _ROUND)

    def end_day(self, day: date) -> None:
        """Before a day is dropped: nothing can wait for an event that is gone."""
        self._end_pages(partial(parked.take_of_day, day=day, limit=_PAGE), "failed", "expired")

    def _end_pages(self, take: Take, result: Result, reason: str, most: int | None = None) -> None:
        """Take and end page by page, until nothing is left, or `most` have been ended."""
        ended_here, taken = 0, _PAGE
        while taken == _PAGE and (most is None or ended_here < most):
            with self._session.transaction() as cursor:
                some = take(cursor)
                known = failing.records(cursor, {waited.webhook for waited in some})
                both = [(w, known[w.webhook]) for w in some if w.webhook in known]
                self._tell(Change(cursor, ACTOR), both, result, reason)
            taken = len(some)
            ended_here += taken

    def _tell(
        self,
        change: Change,
        some: Sequence[tuple[Parked, Webhook]],
        result: Result,
        reason: str,
    ) -> None:
        now_ms = self._clock_ms()
        ends = [ended(waited, webhook, result, reason, now_ms) for waited, webhook in some]
        change.tell_many("outcomes", [(outcome.lane, outcome) for outcome in ends])
