"""Brings the database to the schema this version needs. Run at start; safe to run from many."""

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

DatabaseError = DBAPIError
"""What `migrate` raises while the database is away: try again later."""

_LOCK = 0x686F6F6B00000001
"""Advisory lock that one migration holds while the others wait: 'hook', 1."""


def migrate(dsn: str) -> None:
    """Apply what is missing, one process at a time. Raises `DatabaseError`.

    A database of a later version is left as it is: each version works with the tables of the next
    (docs/upgrades.md), so that processes of both may start while one takes over from the other.
    """
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(dsn, connect_timeout=5),
        poolclass=NullPool,
    )
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        if not _is_later(connection):
            command.upgrade(_config(connection), "head")
        connection.commit()


def _is_later(connection: Connection) -> bool:
    """Whether a later version has brought the database to a revision that is unknown here."""
    there = MigrationContext.configure(connection).get_current_heads()
    known = ScriptDirectory.from_config(_config(None)).walk_revisions()
    return not set(there) <= {script.revision for script in known}


def newest() -> str:
    """The revision that this version needs."""
    return ScriptDirectory.from_config(_config(None)).get_current_head() or ""


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", "hookstream.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
