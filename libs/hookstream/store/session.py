"""A connection of its own for what writes in batches: it reconnects, it never hangs for long."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from hookstream.store.pool import Connection, Cursor

_SETTINGS = """
SET synchronous_commit = off;
SET statement_timeout = '60s';
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET jit = off
"""
"""A lost commit takes its offsets along, so nothing is lost. Batches are small and tables are
not: only joins by index are any good, whatever the statistics of a new day say."""


class Session:
    """Transactions on one connection, made anew when it broke. For one thread."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Connection | None = None
        self._claimed: set[int] = set()

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """Committed when the block ends, undone when it raises. Raises `pool.UNAVAILABLE`."""
        connection = self.connection()
        with connection.transaction(), connection.cursor(binary=True) as cursor:
            yield cursor

    def connection(self) -> Connection:
        """The connection, in autocommit."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._dsn,
                autocommit=True,
                connect_timeout=5,
                keepalives_idle=10,
                tcp_user_timeout=15_000,
                application_name="hookstream-views",
            )
            self._connection.execute(_SETTINGS)
            self._claimed = set()
        return self._connection

    def claim(self, lock: int) -> bool:
        """Whether this session holds an advisory lock, as long as it lives; ask again and again.
        A holder that stands still for 15 s loses it with its session."""
        connection = self.connection()
        if lock not in self._claimed:
            connection.execute("SET idle_session_timeout = '15s'")
            query = "SELECT pg_try_advisory_lock(%s)"
            found = connection.execute(query, (lock,)).fetchone()
            if found and found[0]:
                self._claimed.add(lock)
        else:
            connection.execute("SELECT 1")
        return lock in self._claimed

    def close(self) -> None:
        """Give the connection back; the next transaction makes another."""
        if self._connection is not None:
            self._connection.close()
