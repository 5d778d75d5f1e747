"""Webhooks as they are now: the table, and waiting for it where it is behind a delivery."""

import asyncio
from collections.abc import Callable

from hookstream.model.records import Delivery, Webhook
from hookstream.stream.table import ConfigUnreachable, Table

_AT_MOST_EVERY_S = 0.05


class Webhooks:
    """Looks webhooks up. A read of config to its end is shared by all who wait for it (20 a s)."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._waiting: list[Callable[[], None]] = []
        self._reading: asyncio.Task[None] | None = None
        self.failed: Callable[[Exception], None] = lambda _: None
        """Told of a fault of ours: nobody who waits for config would be called any more."""

    def get(self, webhook: str) -> Webhook | None:
        return self._table.config.webhooks.get(webhook)

    def is_cancelled(self, delivery: str) -> bool:
        """Whether a person cancelled this delivery: none of its turns is sent any more."""
        cancelled = self._table.config.cancelled
        return bool(cancelled) and delivery in cancelled

    def is_behind(self, delivery: Delivery) -> bool:
        """Whether the table is older than the delivery: then it must be read before judging."""
        known = self.get(delivery.webhook)
        return known is None or known.version < delivery.webhook_version

    def catch_up(self, then: Callable[[], None]) -> None:
        """Call `then` once config has been read to its end as it is now or later."""
        self._waiting.append(then)
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                while not await asyncio.to_thread(self._caught_up):
                    await asyncio.sleep(1)
                for then in waiting:
                    then()
                await asyncio.sleep(_AT_MOST_EVERY_S)
        except Exception as error:
            self.failed(error)
        self._reading = None

    def _caught_up(self) -> bool:
        try:
            self._table.catch_up()
        except ConfigUnreachable:
            return False
        return True
