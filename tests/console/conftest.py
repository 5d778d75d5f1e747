"""A served console with two workspaces; most tests look at both."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from hookstream.embedded.postgres import EmbeddedPostgres
from hookstream.store.pool import Pool
from services.console.context import Console
from tests.console.served import Side, serving, side
from tests.fixtures.postgres import cloned


@dataclass(frozen=True)
class Two:
    """Two workspaces of one console."""

    url: str
    ours: Side
    theirs: Side
    console: Console

    @property
    def pool(self) -> Pool:
        return self.console.pool


@pytest.fixture
def two(database: str) -> Iterator[Two]:
    """A console on a database of its own; nothing publishes, so writes answer 202 at once."""
    with serving(database) as (url, console):
        yield Two(url, side(url, "ours"), side(url, "theirs"), console)


@pytest.fixture(scope="module")
def side_of_file(postgres: EmbeddedPostgres, migrated: str) -> Iterator[Side]:
    """One workspace for all tests of a file: for tables of what is refused."""
    with cloned(postgres, migrated) as database, serving(database) as (url, _):
        yield side(url, "ours")


@pytest.fixture
def ours(two: Two) -> Side:
    """The first of two workspaces."""
    return two.ours
