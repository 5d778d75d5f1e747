"""A served console with two workspaces; most tests look at both."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from hookstream.store.pool import Pool
from services.console.context import Console
from tests.console.served import Side, serving, side


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


@pytest.fixture
def ours(two: Two) -> Side:
    """The first of two workspaces."""
    return two.ours
