"""Connections to PostgreSQL, shared by the threads of a process."""

from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from hookstream.store.settings import PostgresSettings

Connection = psycopg.Connection[Any]
Cursor = psycopg.Cursor[Any]
Pool = ConnectionPool[Connection]

UNAVAILABLE = (PoolTimeout, psycopg.OperationalError)
"""What a call raises while the database is away: transient, try again later."""


def open_pool(settings: PostgresSettings) -> Pool:
    """A pool that fills in the background: the database may come up later than we do."""
    return ConnectionPool(
        settings.dsn.get_secret_value(),
        min_size=1,
        max_size=settings.pool_size,
        timeout=settings.wait_s,
        reconnect_timeout=0,
        check=ConnectionPool.check_connection,
        open=True,
        name="hookstream",
    )


def answers(pool: Pool, within_s: float = 1.0) -> bool:
    """Whether the database answers now."""
    try:
        with pool.connection(timeout=within_s) as connection:
            connection.execute("SELECT 1")
    except UNAVAILABLE:
        return False
    return True
