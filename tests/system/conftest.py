"""One system with all services for the files that need no settings of their own."""

from collections.abc import Iterator

import pytest

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.postgres import EmbeddedPostgres
from tests.system.shared import Shared, shared


@pytest.fixture(scope="session")
def plain(broker: EmbeddedKafka, postgres: EmbeddedPostgres) -> Iterator[Shared]:
    """A started system. Each test has workspaces of its own; `tests/conftest.py` names the files
    that share it, which one worker runs."""
    with shared(broker, postgres) as system:
        yield system
