"""The steps from an older schema to this version's, by alembic."""

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from hookstream.store.migrate import DatabaseError

_LOCK = 0x686F6F6B00000001
"""Advisory lock that one migration holds while the others wait: 'hook', 1."""


def upgrade(dsn: str) -> None:
    """Apply what is missing. Raises `DatabaseError`."""
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(dsn, connect_timeout=5),
        poolclass=NullPool,
    )
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            if not _is_later(connection):
                command.upgrade(_config(connection), "head")
            connection.commit()
    except DBAPIError as error:
        raise DatabaseError(str(error.orig)) from error


def head() -> str:
    """The newest revision, as alembic finds it."""
    return ScriptDirectory.from_config(_config(None)).get_current_head() or ""


def _is_later(connection: Connection) -> bool:
    """Whether a later version has brought the database to a revision that is unknown here."""
    there = MigrationContext.configure(connection).get_current_heads()
    known = ScriptDirectory.from_config(_config(None)).walk_revisions()
    return not set(there) <= {script.revision for script in known}


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", "hookstream.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
