"""Integrations: what several webhooks share. Merged into their records, never published alone."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct
from psycopg.rows import class_row

from hookstream.model.records import Header
from hookstream.store.change import Change
from hookstream.store.pool import Pool
from hookstream.store.rows import Rows


class IntegrationRow(Struct, frozen=True, kw_only=True):
    """An integration as it rests. Private headers are sealed."""

    id: str
    workspace: str
    version: int = 1
    name: str
    state: Literal["active", "deleted"] = "active"
    root_url: str
    headers: bytes
    """`tuple[Header, ...]`, as msgpack."""
    rate_per_s: float | None = None
    """Requests a second of all its webhooks together."""
    shards: int = 1
    created_at: datetime | None = None
    changed_at: datetime | None = None

    def header_list(self) -> tuple[Header, ...]:
        """The headers its webhooks inherit, values of private ones sealed."""
        return msgspec.msgpack.decode(self.headers, type=tuple[Header, ...])


INTEGRATIONS = Rows("integrations", "integration", IntegrationRow)

_COLUMNS = ", ".join(IntegrationRow.__struct_fields__)


def of_workspace(change: Change, workspace: str) -> list[IntegrationRow]:
    """All integrations of a workspace, for this transaction alone."""
    with change.cursor.connection.cursor(row_factory=class_row(IntegrationRow)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM integrations WHERE workspace = %s AND state <> 'deleted'"  # noqa: S608
            " ORDER BY id FOR UPDATE",
            (workspace,),
        ).fetchall()


def some(pool: Pool, workspace: str, ids: Collection[str]) -> dict[str, IntegrationRow]:
    """These integrations by id, also those that were deleted."""
    with (
        pool.connection() as connection,
        connection.cursor(row_factory=class_row(IntegrationRow)) as cursor,
    ):
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM integrations WHERE workspace = %s AND id = ANY(%s)",  # noqa: S608
            (workspace, list(ids)),
        ).fetchall()
    return {row.id: row for row in rows}
