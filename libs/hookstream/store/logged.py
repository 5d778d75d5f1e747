"""A record and where it stands in its topic: what the views are made of."""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from hookstream.model.policy import DAY_MS

R = TypeVar("R")
_TEXT = 512
"""Longest text of an indexed column, in characters: an index entry takes 2.7 KB at most."""
_LONG = 2_000


class Logged(NamedTuple, Generic[R]):
    """One record as read from Kafka."""

    record: R
    partition: int
    offset: int
    at_ms: int
    """When the broker appended it."""
    trace_id: str | None = None


@lru_cache(maxsize=1024)
def _date(days: int) -> date:
    return datetime.fromtimestamp(days * 86_400, UTC).date()


def day_of(at_ms: int) -> date:
    """The UTC day of a time: the partition its rows are in."""
    return _date(at_ms // DAY_MS)


def text(value: str) -> str:
    """What Postgres takes of a text for an indexed column: no NUL, no more than 512 characters."""
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    return value if len(value) <= _TEXT else value[:_TEXT]


def text_or_none(value: str | None) -> str | None:
    """`text` of a column that may be empty."""
    return None if value is None else text(value)


def words(value: str | None) -> str | None:
    """What Postgres takes of a text for people, in a column without an index."""
    return None if value is None else value.replace("\0", "\ufffd")[:_LONG]
