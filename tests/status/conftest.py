"""A real PostgreSQL for the tests of status, a database each."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookstream.embedded.postgres import EmbeddedPostgres
from hookstream.store.migrate import migrate


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """One server for all tests."""
    folder = Path(tempfile.mkdtemp(prefix="hookstream-status-"))
    folder.chmod(0o755)
    with EmbeddedPostgres(folder, settings={"fsync": "off"}) as postgres:
        yield postgres
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def dsn(server: EmbeddedPostgres) -> Iterator[str]:
    """A fresh database with our tables."""
    name = f"status_{uuid.uuid4().hex}"
    address = server.create_database(name)
    migrate(address)
    yield address
    server.drop_database(name)
