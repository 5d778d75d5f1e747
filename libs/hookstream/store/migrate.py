"""Brings the database to the schema this version needs. Run at start; safe to run from many.

Mostly there is nothing to do, which the database itself says: only then alembic, which takes a
third of a second to load, is needed.
"""

from pathlib import Path

import psycopg

_REVISIONS = Path(__file__).parent / "migrations" / "versions"


class DatabaseError(RuntimeError):
    """The database is away: try again later."""


def migrate(dsn: str) -> None:
    """Apply what is missing, one process at a time. Raises `DatabaseError`.

    A database of a later version is left as it is: each version works with the tables of the next
    (docs/upgrades.md), so that processes of both may start while one takes over from the other.
    """
    if _revision(dsn) != newest():
        from hookstream.store.upgrade import upgrade

        upgrade(dsn)


def newest() -> str:
    """The revision that this version needs: files are named by theirs, `0001_….py`."""
    return max(file.name.partition("_")[0] for file in _REVISIONS.glob("[0-9]*.py"))


def _revision(dsn: str) -> str | None:
    """Where the database is; None where it is empty."""
    try:
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    except psycopg.Error as error:
        raise DatabaseError(str(error)) from error
    return row[0] if row else None
