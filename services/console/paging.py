"""Pages of lists: a limit, and an opaque cursor to where the page before ended."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Query
from pydantic import BaseModel

from services.console.problems import Problem

Item = TypeVar("Item")
Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=100, description="How many at most")]
Cursor = Annotated[str, Query(max_length=512, description="`next` of the page before")]


class Page(BaseModel, Generic[Item]):
    """Part of a list. `next` is absent on the last page."""

    items: list[Item]
    next: str | None = None


def position(cursor: str, *kinds: type) -> tuple[Any, ...] | None:
    """What a cursor says, values of these types; None for the first page. 422 if not ours."""
    if not cursor:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = msgspec.json.decode(base64.urlsafe_b64decode(padded))
        return tuple(msgspec.convert(values, tuple[kinds]))  # type: ignore[valid-type]
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        hint = "take `next` of the page before as it is"
        raise Problem(422, "invalid_cursor", "not a cursor", field="cursor", hint=hint) from None


def page(
    rows: Sequence[Row],
    limit: int,
    shown: Callable[[Row], Item],
    mark: Callable[[Row], tuple[str | int, ...]],
) -> Page[Item]:
    """The page of `rows`, which were asked for with one more than `limit`."""
    more = len(rows) > limit
    kept = rows[:limit]
    return Page(
        items=[shown(row) for row in kept], next=cursor_of(mark(kept[-1])) if more else None
    )


def cursor_of(values: tuple[str | int, ...]) -> str:
    """The cursor that says so."""
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def sifted(
    rows: Sequence[Row],
    limit: int,
    looked_at: int,
    *,
    keep: Callable[[Row], bool],
    shown: Callable[[Row], Item],
    mark: Callable[[Row], tuple[str | int, ...]],
) -> Page[Item]:
    """The page of those `rows` that pass. Where as many were found as were `looked_at`, there may
    be more, even if few passed."""
    passed = [row for row in rows if keep(row)]
    if len(passed) > limit or len(rows) < looked_at:
        return page(passed, limit, shown, mark)
    return Page(items=[shown(row) for row in passed], next=cursor_of(mark(rows[-1])))
