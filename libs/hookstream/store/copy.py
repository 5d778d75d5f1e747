"""COPY in binary, the cheapest way to bring rows to Postgres."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct
from psycopg import sql

from hookstream.store.pool import Cursor


class Target(Struct, frozen=True, dict=True):
    """Columns of a table with their types, in the order in which rows are given."""

    table: str
    columns: dict[str, str]

    @cached_property
    def names(self) -> sql.Composed:
        """The columns, to be written into a statement."""
        return sql.SQL(", ").join(map(sql.Identifier, self.columns))

    @cached_property
    def types(self) -> Sequence[str]:
        """The types, as COPY needs them."""
        return list(self.columns.values())

    @cached_property
    def stage(self) -> sql.Identifier:
        """The temporary table whose rows end with the transaction."""
        return sql.Identifier(f"stage_{self.table}")

    def copy(self, cursor: Cursor, rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows that cannot be there yet. Raises `psycopg.errors.UniqueViolation`."""
        self._into(cursor, sql.Identifier(self.table), rows)

    def copy_to_stage(self, cursor: Cursor, rows: Iterable[Sequence[Any]]) -> None:
        """Put rows where one statement can compare them with the table's."""
        cursor.execute(
            sql.SQL(
                "CREATE TEMP TABLE IF NOT EXISTS {} ON COMMIT DELETE ROWS"
                " AS SELECT {} FROM {} WITH NO DATA"
            ).format(self.stage, self.names, sql.Identifier(self.table))
        )
        self._into(cursor, self.stage, rows)

    def _into(self, cursor: Cursor, name: sql.Identifier, rows: Iterable[Sequence[Any]]) -> None:
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(name, self.names)
        with cursor.copy(statement) as copying:
            copying.set_types(self.types)
            for row in rows:
                copying.write_row(row)
