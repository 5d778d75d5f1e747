"""Reading config to its end before anything is refused as unknown (once.md 15)."""

import asyncio
from collections.abc import Callable

from hookstream.stream.table import ConfigUnreachable
from services.ingest.problems import busy

EVERY_S = 0.05


class Unsure(Exception):
    """Refused by config as it is known now; read to its end, it may say otherwise."""


class CatchingUp:
    """One read shared by all who wait, at most 20 a second, never on the event loop.

    `read` is what blocks: `Table.catch_up`. Who waits gets a read that began after he asked.
    """

    def __init__(self, read: Callable[[], None]) -> None:
        self._read = read
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._not_before = 0.0

    async def __call__(self) -> None:
        """Return once config is read to its end; 503 if it cannot be."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
        try:
            await asyncio.shield(self._next)
        except ConfigUnreachable:
            raise busy("Kafka does not answer: what is unknown here cannot be looked up") from None

    async def _after(self, before: "asyncio.Task[None] | None") -> None:
        loop = asyncio.get_running_loop()
        if before is not None:
            await asyncio.wait({before})
        await asyncio.sleep(self._not_before - loop.time())
        self._not_before = loop.time() + EVERY_S
        self._running, self._next = self._next, None  # who asks from here on needs a later one
        await asyncio.to_thread(self._read)
