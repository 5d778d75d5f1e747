"""One table of configured things: a row in, its audit line and its outbox row with it."""

from typing import Any, Generic, TypeVar

import psycopg
from msgspec import Struct
from psycopg import sql
from psycopg.rows import class_row

from hookstream.store.change import Change, Configured, NameTaken, Stale
from hookstream.store.pool import Cursor, Pool

R = TypeVar("R", bound=Struct)

_ALONE, _SHARED = sql.SQL("FOR UPDATE"), sql.SQL("")
_KEPT_BY_US = ("created_at", "changed_at")


class Rows(Generic[R]):
    """The rows of `table`, as values of `cls`, whose fields are named like the columns.

    `subject` names the column that identifies a row within its workspace, `owner` the workspace's.
    """

    def __init__(
        self, table: str, kind: str, cls: type[R], *, subject: str = "id", owner: str = "workspace"
    ) -> None:
        self._cls, self._kind, self._subject, self._owner = cls, kind, subject, owner
        self._table = sql.Identifier(table)
        self._fields = tuple(f for f in cls.__struct_fields__ if f not in _KEPT_BY_US)
        self._columns = sql.SQL(", ").join(map(sql.Identifier, cls.__struct_fields__))

    def insert(self, change: Change, row: R, record: Configured | None = None) -> R:
        """A new row; `record` is published with it. Raises `NameTaken`."""
        values = self._values(change, row, record)
        query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
            self._table,
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
            self._columns,
        )
        try:
            saved = self._one(change.cursor, query, list(values.values()))
        except psycopg.errors.UniqueViolation as error:
            raise NameTaken(error.diag.constraint_name) from error
        self._audit(change, "create", row, set())
        return saved or row

    def update(
        self,
        change: Change,
        before: R,
        after: R,
        record: Configured | None = None,
        action: str = "change",
    ) -> R:
        """`after` (one version later) in place of `before`. Raises `Stale`, `NameTaken`."""
        values = self._values(change, after, record)
        query = sql.SQL(
            "UPDATE {} SET {}, changed_at = now() WHERE {} = %s AND {} = %s AND version = %s"
            " RETURNING {}"
        ).format(
            self._table,
            sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(c)) for c in values),
            sql.Identifier(self._owner),
            sql.Identifier(self._subject),
            self._columns,
        )
        identity = [getattr(before, f) for f in (self._owner, self._subject, "version")]
        try:
            saved = self._one(change.cursor, query, [*values.values(), *identity])
        except psycopg.errors.UniqueViolation as error:
            raise NameTaken(error.diag.constraint_name) from error
        if saved is None:
            raise Stale(identity[1])
        self._audit(change, action, after, _changed(before, after))
        return saved

    def lock(self, change: Change, workspace: str, subject: str) -> R | None:
        """The row, for this transaction alone; None where there is none, or it was deleted."""
        return self._one(change.cursor, self._select(_ALONE), [workspace, subject])

    def get(self, pool: Pool, workspace: str, subject: str) -> R | None:
        """The row; None where there is none, or it was deleted."""
        with pool.connection() as connection, connection.cursor() as cursor:
            return self._one(cursor, self._select(_SHARED), [workspace, subject])

    def page(self, pool: Pool, workspace: str, after: str, limit: int) -> list[R]:
        """Rows of a workspace in the order of their ids, those above `after`, not deleted."""
        query = sql.SQL(
            "SELECT {} FROM {} WHERE {} = %s AND {} > %s AND state <> 'deleted'"
            " ORDER BY {} LIMIT %s"
        ).format(
            self._columns,
            self._table,
            sql.Identifier(self._owner),
            sql.Identifier(self._subject),
            sql.Identifier(self._subject),
        )
        with pool.connection() as c, c.cursor(row_factory=class_row(self._cls)) as cursor:
            return cursor.execute(query, [workspace, after, limit]).fetchall()

    def _select(self, ending: sql.SQL) -> sql.Composed:
        return sql.SQL(
            "SELECT {} FROM {} WHERE {} = %s AND {} = %s AND state <> 'deleted' {}"
        ).format(
            self._columns,
            self._table,
            sql.Identifier(self._owner),
            sql.Identifier(self._subject),
            ending,
        )

    def _one(self, cursor: Cursor, query: sql.Composed, values: list[Any]) -> R | None:
        with cursor.connection.cursor(row_factory=class_row(self._cls)) as typed:
            return typed.execute(query, values).fetchone()

    def _values(self, change: Change, row: R, record: Configured | None) -> dict[str, Any]:
        values = {field: getattr(row, field) for field in self._fields}
        return values if record is None else {**values, "record": change.configure(record)}

    def _audit(self, change: Change, action: str, row: R, changed: set[str]) -> None:
        change.audit(
            action,
            self._kind,
            getattr(row, self._subject),
            workspace=getattr(row, self._owner),
            version=getattr(row, "version"),  # noqa: B009 - every row has one
            changed=changed,
        )


def _changed(before: Struct, after: Struct) -> set[str]:
    fields = set(after.__struct_fields__) - {"version", *_KEPT_BY_US}
    return {field for field in fields if getattr(before, field) != getattr(after, field)}
