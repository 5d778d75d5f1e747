"""What the topic config should hold, as Postgres has it: to compare, and to publish again."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from hookstream.model import records
from hookstream.store.pool import Cursor

_TABLES: dict[str, tuple[str, str, type[Struct]]] = {
    "workspace": ("workspaces", "id", records.Workspace),
    "api_key": ("api_keys", "id", records.ApiKey),
    "event_type": ("event_types", "workspace || '/' || name", records.EventType),
    "webhook": ("webhooks", "id", records.Webhook),
    "cancel": ("cancellations", "delivery", records.Cancellation),
}
"""By the kind in a config key (`model/config.py`, key_of): table, its key after the kind, class."""


def ends(key: str) -> bool:
    """Whether the record of this config key is deleted in the end, here first, then on the topic.

    Of such a key the topic may hold what Postgres does not, and is not ahead by that.
    """
    return key.startswith("cancel/")


def current(cursor: Cursor, key: str) -> Struct | None:
    """The record now valid for a config key; None where Postgres has none."""
    kind, _, subject = key.partition("/")
    if kind not in _TABLES:
        return None
    table, column, cls = _TABLES[kind]
    if kind == "event_type":
        where, values = "workspace = %s AND name = %s", tuple(subject.split("/", 1))
    else:
        where, values = f"{column} = %s", (subject,)
    query = f"SELECT record FROM {table} WHERE {where}"  # noqa: S608 - names are ours
    row = cursor.execute(query.encode(), values).fetchone()
    return msgspec.msgpack.decode(row[0], type=cls) if row else None


def versions(cursor: Cursor) -> Iterator[tuple[str, int]]:
    """Every config key that Postgres knows, with its version."""
    for kind, (table, subject, _) in _TABLES.items():
        query = f"SELECT {subject}, version FROM {table}"  # noqa: S608 - names are ours
        for found, version in cursor.execute(query.encode()).fetchall():
            yield f"{kind}/{found}", int(version)
