"""How the database stands, for `hookstream doctor`."""

import time
from typing import NamedTuple

import psycopg

from hookstream.store.pool import Cursor
from hookstream.store.settings import PostgresSettings


class Condition(NamedTuple):
    """What the database says of itself."""

    version: str
    revision: str | None
    """Of our tables; None: there are none yet."""
    clock_ahead_ms: int
    outbox: int
    """Changes that are not published yet."""


def condition(settings: PostgresSettings) -> Condition:
    """Raises `psycopg.OperationalError` if it does not answer."""
    dsn = settings.dsn.get_secret_value()
    with psycopg.connect(dsn, connect_timeout=5) as connection, connection.cursor() as cursor:
        before_ms = time.time_ns() // 1_000_000
        at_ms = _number(cursor, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        after_ms = time.time_ns() // 1_000_000
        revision = _revision(cursor)
        return Condition(
            connection.info.parameter_status("server_version") or "",
            revision,
            max(at_ms - after_ms, 0) + min(at_ms - before_ms, 0),
            _number(cursor, "SELECT count(*) FROM outbox") if revision else 0,
        )


def _revision(cursor: Cursor) -> str | None:
    cursor.execute("SELECT to_regclass('alembic_version')")
    if (found := cursor.fetchone()) is None or found[0] is None:
        return None
    cursor.execute("SELECT version_num FROM alembic_version")
    row = cursor.fetchone()
    return str(row[0]) if row else None


def _number(cursor: Cursor, query: str) -> int:
    row = cursor.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0
