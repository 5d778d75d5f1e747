"""The catalogue: named kinds of events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct
from psycopg.rows import class_row

from hookstream.model import records
from hookstream.store.change import Change
from hookstream.store.pool import Cursor, Pool
from hookstream.store.rows import Rows


class EventTypeRow(Struct, frozen=True, kw_only=True):
    """An event type as it rests. Its identity is (workspace, name)."""

    workspace: str
    name: str
    version: int = 1
    group_name: str | None = None
    description: str | None = None
    json_schema: bytes | None = None
    sample: bytes | None = None
    state: Literal["active", "deleted"] = "active"
    registered: bool = False
    """It came by itself, with an event, and nobody has described it yet."""
    created_at: datetime | None = None
    changed_at: datetime | None = None

    def record(self) -> records.EventType:
        """As the services know it."""
        return records.EventType(
            workspace=self.workspace,
            name=self.name,
            version=self.version,
            group=self.group_name,
            description=self.description,
            json_schema=self.json_schema,
            sample=self.sample,
            state=self.state,
        )


EVENT_TYPES = Rows("event_types", "event_type", EventTypeRow, subject="name")

_COLUMNS = ", ".join(EventTypeRow.__struct_fields__)
_UNREGISTERED = """
WITH learning AS (
    SELECT w.id FROM workspaces AS w
    WHERE w.id = ANY(%s) AND w.state = 'active' AND w.unknown_types = 'register'
        AND %s > (SELECT count(*) FROM event_types AS e
                  WHERE e.workspace = w.id AND e.registered AND e.state = 'active')
)
SELECT came.workspace, came.name
FROM unnest(%s::text[], %s::text[]) AS came (workspace, name)
JOIN learning ON learning.id = came.workspace
WHERE NOT EXISTS (SELECT FROM event_types AS e
    WHERE e.workspace = came.workspace AND e.name = came.name AND e.state = 'active')
"""


def deleted_version(change: Change, workspace: str, name: str) -> int:
    """The version a deleted event type of this name ended with, whose row is taken away, so that
    the name can be used again one version later; 0 where there was none."""
    row = change.cursor.execute(
        "DELETE FROM event_types WHERE workspace = %s AND name = %s AND state = 'deleted'"
        " RETURNING version",
        (workspace, name),
    ).fetchone()
    return int(row[0]) if row else 0


def names(change: Change, workspace: str) -> list[str]:
    """All names in a workspace's catalogue."""
    found = change.cursor.execute(
        "SELECT name FROM event_types WHERE workspace = %s AND state = 'active' ORDER BY name",
        (workspace,),
    )
    return [row[0] for row in found]


def some(change: Change, workspace: str, names: Sequence[str]) -> dict[str, EventTypeRow]:
    """These types by name, also those that were deleted, for this transaction alone."""
    with change.cursor.connection.cursor(row_factory=class_row(EventTypeRow)) as cursor:
        found = cursor.execute(
            f"SELECT {_COLUMNS} FROM event_types WHERE workspace = %s AND name = ANY(%s)"  # noqa: S608
            " ORDER BY name FOR UPDATE",
            (workspace, list(names)),
        ).fetchall()
    return {row.name: row for row in found}


def unregistered(
    cursor: Cursor, kinds: Sequence[tuple[str, str]], most: int
) -> list[tuple[str, str]]:
    """Those (workspace, type) that are in no catalogue, of workspaces that register what comes
    and have registered fewer than `most`. One statement a batch."""
    workspaces, types = [w for w, _ in kinds], [t for _, t in kinds]
    values = (sorted(set(workspaces)), most, workspaces, types)
    return [(workspace, name) for workspace, name in cursor.execute(_UNREGISTERED, values)]


def count_registered(change: Change, workspace: str) -> int:
    """How many types of a workspace came by themselves and nobody has described."""
    row = change.cursor.execute(
        "SELECT count(*) FROM event_types WHERE workspace = %s AND registered AND state = 'active'",
        (workspace,),
    ).fetchone()
    return int(row[0]) if row else 0


def of_group(pool: Pool, workspace: str, group: str, after: str, limit: int) -> list[EventTypeRow]:
    """Types of one group in the order of their names, those above `after`; '': of none."""
    where, values = ("group_name = %s", [group]) if group else ("group_name IS NULL", [])
    with pool.connection() as c, c.cursor(row_factory=class_row(EventTypeRow)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM event_types WHERE workspace = %s AND {where}"  # noqa: S608
            " AND name > %s AND state <> 'deleted' ORDER BY name LIMIT %s",
            [workspace, *values, after, limit],
        ).fetchall()


def groups(pool: Pool, workspace: str) -> list[tuple[str | None, int]]:
    """The groups of a catalogue by name, each with how many types it has; last, those of none."""
    with pool.connection() as connection:
        found = connection.execute(
            "SELECT group_name, count(*) FROM event_types WHERE workspace = %s"
            " AND state <> 'deleted' GROUP BY group_name ORDER BY group_name NULLS LAST",
            (workspace,),
        )
        return [(group, int(count)) for group, count in found]
