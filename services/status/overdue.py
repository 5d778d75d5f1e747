"""Closes deliveries that waited for a callback in vain: failed, `expired` (P7, once.md 18)."""

from collections.abc import Callable

from hookstream.model.deliveries import ended_apart
from hookstream.model.records import Outcome, Webhook
from hookstream.store import failing
from hookstream.store.change import Change
from hookstream.store.session import Session
from hookstream.store.waits import Overdue, take_overdue

ACTOR = "status"
_PAGE = 500
_ROUND = 5_000
"""Waits that are closed before the next duty has its turn."""


class Overdues:
    """A duty of upkeep: what is overdue is told on outcomes, page by page, a transaction each."""

    def __init__(self, session: Session, clock_ms: Callable[[], int]) -> None:
        self._session = session
        self._clock_ms = clock_ms

    def round(self) -> int:
        """Close what is overdue now; how many were."""
        closed, taken = 0, _PAGE
        while taken == _PAGE and closed < _ROUND:
            taken = self._page()
            closed += taken
        return closed

    def _page(self) -> int:
        now_ms = self._clock_ms()
        with self._session.transaction() as cursor:
            taken = take_overdue(cursor, now_ms, _PAGE)
            known = failing.records(cursor, {wait.webhook for wait in taken})
            ends = [expired(w, known[w.webhook], now_ms) for w in taken if w.webhook in known]
            Change(cursor, ACTOR).tell_many("outcomes", [(end.lane, end) for end in ends])
        return len(taken)


def expired(wait: Overdue, webhook: Webhook, now_ms: int) -> Outcome:
    """The record that closes it. A callback that came before it in the log counts before it."""
    return ended_apart(
        webhook,
        delivery=wait.id,
        kind=wait.kind,
        event=wait.event,
        event_type=wait.event_type,
        subject=wait.subject,
        result="failed",
        reason="expired",
        logged_at_ms=wait.logged_at_ms,
        now_ms=now_ms,
    )
