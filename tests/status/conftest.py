"""What the tests of status need beside the shared fixtures."""

import pytest


@pytest.fixture
def dsn(database: str) -> str:
    """Address of a fresh database with our tables."""
    return database
