"""How rows of an export are written: as JSON, one a line, or as CSV (RFC 4180)."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

Row = dict[str, Any]

COLUMNS = (
    "transaction_id",
    "webhook",
    "webhook_name",
    "event",
    "event_type",
    "subject",
    "kind",
    "success",
    "state",
    "state_name",
    "reason",
    "attempts",
    "status",
    "error",
    "logged_at",
    "ended_at",
    "next_due_at",
)
"""Of each row, in this order; `transaction_id` is the delivery's id."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


class Written(NamedTuple):
    """One form of an export."""

    media_type: str
    head: bytes
    lines: Callable[[Sequence[Row]], bytes]


def row_of(told: Mapping[str, Any]) -> Row:
    """What an export tells of a delivery, of all that is told of it elsewhere."""
    return {column: told[column] for column in COLUMNS}


def _ndjson(rows: Sequence[Row]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def _csv(rows: Sequence[Row]) -> bytes:
    return b"".join(_line([_cell(value) for value in row.values()]) for row in rows)


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    """As text; a formula is led by an apostrophe, so that no event can plant one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


WRITERS: dict[Literal["ndjson", "csv"], Written] = {
    "ndjson": Written("application/x-ndjson", b"", _ndjson),
    "csv": Written("text/csv", _line(COLUMNS), _csv),
}
