"""One ingest for the tests that do not disturb it, on topics of its own."""

from collections.abc import Iterator

import pytest

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.model.records import Workspace
from hookstream.stream.settings import KafkaSettings
from tests.fixtures.kafka import prepared, put
from tests.ingest.started import Started, started
from tests.system.bad_events import CONFIG, key

OPEN = Workspace(id="open", version=1, name="Open")


@pytest.fixture(scope="session")
def topics(broker: EmbeddedKafka) -> KafkaSettings:
    """Topics with two workspaces: one knows its types, the other takes any."""
    settings = prepared(broker)
    put(settings, *CONFIG, OPEN, key("open"))
    return settings


@pytest.fixture(scope="session")
def ingest(topics: KafkaSettings) -> Iterator[Started]:
    """A running ingest."""
    with started(topics, INGEST_MAX_BATCH_EVENTS="200", INGEST_MAX_BATCH_BYTES="1048576") as it:
        yield it
