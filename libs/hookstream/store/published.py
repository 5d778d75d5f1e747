"""Knows which outbox rows have reached their topic, for those who answer only then."""

import asyncio
from collections.abc import Sequence

import psycopg

_REMEMBERED = 20_000
_AGAIN_S = 0.5


class Published:
    """Listens, on a connection of its own, to what the outbox's holder deletes."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._seen: dict[int, None] = {}
        self.listening = asyncio.Event()
        """Set while the connection listens."""
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}

    async def run(self) -> None:
        """Listen until cancelled, and again after each loss of the connection."""
        while True:
            try:
                await self._listen()
            except psycopg.OperationalError:
                await asyncio.sleep(_AGAIN_S)

    async def wait(self, ids: Sequence[int], within_s: float) -> bool:
        """Whether all those rows were published within the time. False may also mean that the
        notification was missed: ask `outbox.waits` before saying so."""
        futures = [self._future(row) for row in ids if row not in self._seen]
        if not futures:
            return True
        _, late = await asyncio.wait(futures, timeout=within_s)
        for future in late:
            future.cancel()
        self._forget_cancelled(ids)
        return not late

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
            await connection.execute("LISTEN published")
            self.listening.set()
            try:
                async for notification in connection.notifies():
                    self._mark(notification.payload)
            finally:
                self.listening.clear()

    def _future(self, row: int) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(row, []).append(future)
        return future

    def _mark(self, payload: str) -> None:
        for row in map(int, payload.split(",")):
            self._seen[row] = None
            for future in self._waiting.pop(row, ()):
                if not future.done():
                    future.set_result(None)
        while len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _forget_cancelled(self, ids: Sequence[int]) -> None:
        for row in ids:
            left = [f for f in self._waiting.get(row, ()) if not f.done()]
            if left:
                self._waiting[row] = left
            else:
                self._waiting.pop(row, None)
