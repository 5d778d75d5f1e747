"""The catalogue: named kinds of events."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from hookstream.model import records
from hookstream.store.change import Change
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
