"""Halt: a person has stopped all sending. Lives on the asyncio thread.

Requests under way end; reading pauses, so that what comes waits on its topic, unread, as long as
the topic keeps it. The few turns that had been read are held here. Time goes on: retries come due,
and what is too late when sending starts again has expired.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from msgspec import Struct

from hookstream.model.records import SendingNote
from hookstream.stream.table import Table
from services.deliverer.passage import Passage

Told = Callable[[str | None], None]
"""Told why nothing is sent; None: it is."""


class Halt:
    """Obeys config. `resume` takes each held turn up again."""

    def __init__(self, table: Table, told: Told = lambda _: None) -> None:
        self.stopped = False
        self.resume: Callable[[Passage], None] = lambda _: None
        self._told = told
        self._held: dict[Passage, None] = {}
        self._aio = asyncio.get_running_loop()
        table.on_change(self._changed)
        if table.config.sending is not None:
            self._obey(table.config.sending)

    def hold(self, passage: Passage) -> None:
        """Keep a turn that was to be sent until sending starts."""
        self._held[passage] = None

    def forget(self, passages: Iterable[Passage]) -> None:
        """These turns belong to another process now."""
        for passage in passages:
            self._held.pop(passage, None)

    def _changed(self, key: str, record: Struct | None) -> None:
        """On the table's thread."""
        del key
        if isinstance(record, SendingNote):
            self._aio.call_soon_threadsafe(self._obey, record)

    def _obey(self, note: SendingNote) -> None:
        was, self.stopped = self.stopped, note.stopped
        if self.stopped != was:
            self._told(why(note) if self.stopped else None)
        if not self.stopped:
            held, self._held = self._held, {}
            for passage in held:
                self.resume(passage)


def why(note: SendingNote) -> str:
    """What people are told while nothing is sent."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(note.since_ms / 1000))
    reason = f" ({note.reason})" if note.reason else ""
    return f"all sending was stopped at {since}{reason}: `hookstream sending start` ends that"
