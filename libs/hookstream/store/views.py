"""Batches of records into the views: one transaction, the offsets fenced in it (once.md 18)."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import TypeVar

from psycopg.errors import UniqueViolation

from hookstream.model.records import Dead, Event, Outcome
from hookstream.store import attempts, dead, deliveries, events, offsets, parked, partitions
from hookstream.store.fold import fold
from hookstream.store.logged import Logged, day_of
from hookstream.store.offsets import Move
from hookstream.store.pool import Cursor
from hookstream.store.session import Session

Then = Callable[[Cursor], None]
"""What follows from a batch, done in its transaction."""
R = TypeVar("R")
_AHEAD = timedelta(2)


def nothing(cursor: Cursor) -> None:
    """Where nothing follows."""
    del cursor


class Views:
    """Writes to the views. Rows of a day that is not kept any more are left out.

    All methods raise `Fenced` if another process moved the offsets, `pool.UNAVAILABLE` while the
    database is away; then nothing of the batch is there.
    """

    def __init__(self, session: Session, kept_days: int, today: Callable[[], date]) -> None:
        self._session = session
        self._kept_days = timedelta(kept_days)
        self._today = today
        self._there: set[date] = set()

    def outcomes(
        self, read: Sequence[Logged[Outcome]], moves: Iterable[Move], then: Then = nothing
    ) -> None:
        """Fold outcomes into deliveries, attempts and parked; `then` sees the result."""
        kept = self._kept(read, lambda logged: logged.record.logged_at_ms)
        rows, requests = fold(kept), attempts.rows_of(kept)

        def write(cursor: Cursor, new: bool) -> None:
            attempts.write(cursor, requests, new=new)
            deliveries.write(cursor, rows, new=new)
            parked.follow(cursor, rows, new=new)
            then(cursor)

        self._store(moves, write)

    def events(
        self, read: Sequence[Logged[Event]], moves: Iterable[Move], then: Then = nothing
    ) -> None:
        """Add events, count repeats, mark conflicts; `then` follows."""
        rows = events.fold(self._kept(read, lambda logged: logged.at_ms))

        def write(cursor: Cursor, new: bool) -> None:
            del new
            if rows:
                events.write(cursor, rows)
            then(cursor)

        self._store(moves, write)

    def dead(self, read: Sequence[Logged[Dead]], moves: Iterable[Move]) -> None:
        """Add dead letters."""
        self._store(moves, lambda cursor, _: dead.write(cursor, read))

    def _store(self, moves: Iterable[Move], write: Callable[[Cursor, bool], None]) -> None:
        """Take rows to be new; where some are not, once more with care."""
        wanted = list(moves)
        try:
            self._once(wanted, lambda cursor: write(cursor, True))
        except UniqueViolation:
            self._once(wanted, lambda cursor: write(cursor, False))

    def _once(self, moves: list[Move], write: Then) -> None:
        with self._session.transaction() as cursor:
            offsets.advance(cursor, moves)
            write(cursor)

    def _kept(
        self, read: Sequence[Logged[R]], at_ms: Callable[[Logged[R]], int]
    ) -> Sequence[Logged[R]]:
        days = {day_of(at_ms(logged)) for logged in read}
        oldest, newest = self.oldest_day(), self._today() + _AHEAD
        kept = {day for day in days if oldest <= day <= newest}
        if not kept <= self._there:
            partitions.ensure(self._session.connection(), kept)
            self._there |= kept
        if len(kept) == len(days):
            return read
        return [logged for logged in read if day_of(at_ms(logged)) in kept]

    def oldest_day(self) -> date:
        """Rows of this day and later are kept."""
        return self._today() - self._kept_days
