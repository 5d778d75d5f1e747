"""`hookstream offsets`: where each consumer group stands, and how to set it (once.md 3)."""

import click

from hookstream.model.records import GroupNote
from hookstream.stream.ends import ends
from hookstream.stream.groups import committed, set_offsets
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from services.cli.environment import read
