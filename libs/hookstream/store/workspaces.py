"""Tenants."""

from datetime import datetime
from typing import Literal

from msgspec import Struct
from psycopg.rows import class_row

from hookstream.model import records
from hookstream.store.pool import Pool
from hookstream.store.rows import Rows


class WorkspaceRow(Struct, frozen=True, kw_only=True):
    """A workspace as it rests."""

    id: str
    version: int = 1
    name: str
    state: Literal["active", "deleted"] = "active"
    unknown_types: records.UnknownTypes = "accept"
    default_policy: str
    created_at: datetime | None = None
    changed_at: datetime | None = None

    def record(self) -> records.Workspace:
        """As the services know it."""
        return records.Workspace(
            id=self.id,
            version=self.version,
            name=self.name,
            state=self.state,
            unknown_types=self.unknown_types,
        )


WORKSPACES = Rows("workspaces", "workspace", WorkspaceRow, owner="id")
"""Asked with the id twice: a workspace belongs to itself."""


def page(pool: Pool, after: str, limit: int) -> list[WorkspaceRow]:
    """All workspaces in the order of their ids, those above `after`."""
    with pool.connection() as c, c.cursor(row_factory=class_row(WorkspaceRow)) as cursor:
        return cursor.execute(
            "SELECT id, version, name, state, unknown_types, default_policy, created_at, changed_at"
            " FROM workspaces WHERE id > %s AND state <> 'deleted' ORDER BY id LIMIT %s",
            (after, limit),
        ).fetchall()
