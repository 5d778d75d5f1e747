"""What the tests of status need beside the shared fixtures."""

from collections.abc import Iterator

import psycopg
import pytest

from hookstream.store import offsets
from hookstream.store.pool import Connection
from hookstream.store.session import Session
from hookstream.store.views import Views
from services.status.upkeep import today


@pytest.fixture
def dsn(database: str) -> str:
    """Address of a fresh database with our tables."""
    return database


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection]:
    """To it, with the offsets of a partition of outcomes and one of events."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        offsets.begin(connection, {("outcomes", 0): 0, ("events", 0): 0})
        yield connection


@pytest.fixture
def views(dsn: str, connection: Connection) -> Views:
    """Its views, at the real day."""
    del connection
    return Views(Session(dsn), 30, today)
