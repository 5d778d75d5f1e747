"""A whole Hookstream on this machine: brokers, topics, tables, and one process a service.

`hookstream up`, the demo, the system tests and the bench are the same `System` with other ports,
folders and settings. Whatever comes, nothing it started outlives it.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Iterator, Self

from pydantic import SecretStr

from hookstream.embedded.child import EmbeddedError
from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.ports import require_free
from hookstream.embedded.postgres import EmbeddedPostgres
from hookstream.process.settings import PREFIX, Environment
from hookstream.store.migrate import migrate
from hookstream.store.settings import PostgresSettings
from hookstream.stream.settings import KafkaSettings
from services.cli.keeper import Keeper
from services.cli.kept_keys import kept_key
from services.cli.ports import Ports
from services.cli.service import Service
from services.cli.settings import SERVICES, known
from services.cli.topics import apply_topics

KAFKA_ADDRESS = "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS"
POSTGRES_ADDRESS = "HOOKSTREAM_POSTGRES_DSN"
STOP_S = 27.0
"""What services get to end what they have begun: their own budget, and a little."""
