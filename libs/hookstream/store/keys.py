"""API keys: the SHA-256 of each secret, never the secret."""

from datetime import datetime
from typing import Literal

from msgspec import Struct
from psycopg.rows import class_row

from hookstream.model import records
from hookstream.store.change import Change
from hookstream.store.pool import Pool
from hookstream.store.rows import Rows


class KeyRow(Struct, frozen=True, kw_only=True):
    """A key as it rests."""

    id: str
    workspace: str
    version: int = 1
    name: str
    role: records.Role
    sha256: bytes
    hint: str
    """The secret's last characters, by which people tell keys apart."""
    state: Literal["active", "deleted"] = "active"
    created_at: datetime | None = None
    changed_at: datetime | None = None

    def record(self) -> records.ApiKey:
        """As the services know it."""
        return records.ApiKey(
            id=self.id,
            workspace=self.workspace,
            version=self.version,
            role=self.role,
            sha256=self.sha256,
            state=self.state,
        )


KEYS = Rows("api_keys", "key", KeyRow)


class Holder(Struct, frozen=True):
    """Who a key or a session stands for."""

    id: str
    workspace: str
    role: records.Role


def holder(pool: Pool, sha256: bytes) -> Holder | None:
    """Whose key this is; None for a key that never was, was deleted, or whose workspace was."""
    with pool.connection() as c, c.cursor(row_factory=class_row(Holder)) as cursor:
        return cursor.execute(
            "SELECT k.id, k.workspace, k.role FROM api_keys k JOIN workspaces w"
            " ON w.id = k.workspace AND w.state = 'active'"
            " WHERE k.sha256 = %s AND k.state = 'active'",
            (sha256,),
        ).fetchone()


def active(change: Change, workspace: str) -> list[KeyRow]:
    """The keys of a workspace that are valid, for this transaction alone."""
    with change.cursor.connection.cursor(row_factory=class_row(KeyRow)) as cursor:
        return cursor.execute(
            "SELECT id, workspace, version, name, role, sha256, hint, state FROM api_keys"
            " WHERE workspace = %s AND state = 'active' ORDER BY id FOR UPDATE",
            (workspace,),
        ).fetchall()
