"""/v1/event-types: the catalogue."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, StrictBool

from hookstream.model.checks import MAX_DATA, is_type
from hookstream.model.json_schema import check_schema, check_schema_itself
from hookstream.store.change import Change, NameTaken
from hookstream.store.event_types import (
    EVENT_TYPES,
    EventTypeRow,
    deleted_version,
    of_group,
    some,
)
from services.console.bodies import Body
from services.console.callers import Editor, Viewer
from services.console.context import ConsoleDep
from services.console.paging import Cursor, Limit, Page, page, position
from services.console.problems import RESPONSES, Problem, must, not_found
from services.console.rules import home
from services.console.saving import check_version, save, status, versioned

router = APIRouter(prefix="/v1/event-types", tags=["event types"], responses=RESPONSES)

Schema = dict[str, Any]
GroupWanted = Annotated[
    str | None, Query(max_length=128, description="Types of this group; empty: of none")
]


class EventTypeChange(Body):
    """What is to change of an event type; absent fields stay as they are, null removes."""

    version: int | None = None
    group: Annotated[str, Field(max_length=128)] | None = None
    description: Annotated[str, Field(max_length=2000)] | None = None
    json_schema: Schema | StrictBool | None = Field(default=None, description="Events must fit it")
    sample: Any = None


class EventTypeIn(EventTypeChange):
    """A new event type."""

    name: Annotated[str, Field(max_length=128)]


class EventTypeOut(BaseModel):
    """An event type."""

    name: str
    version: int
    group: str | None
    description: str | None
    json_schema: Schema | bool | None
    sample: Any
    registered: bool
    """It came by itself, with an event, and nobody has described it yet."""
    created_at: datetime | None
    publishing: bool = False


def shown(row: EventTypeRow, published: bool = True) -> EventTypeOut:
    """An event type, as the API shows it."""
    return EventTypeOut(
        name=row.name,
        version=row.version,
        group=row.group_name,
        description=row.description,
        json_schema=None if row.json_schema is None else msgspec.json.decode(row.json_schema),
        sample=None if row.sample is None else msgspec.json.decode(row.sample),
        registered=row.registered,
        created_at=row.created_at,
        publishing=not published,
    )


@router.post("", status_code=201)
async def create(
    body: EventTypeIn, caller: Editor, console: ConsoleDep, response: Response
) -> EventTypeOut:
    """Add an event type to the catalogue. One that had registered itself is described by it."""
    check_name(body.name)

    def work(change: Change) -> EventTypeRow:
        home(change, caller.home)
        before = some(change, caller.home, [body.name]).get(body.name)
        if before is not None and before.state == "active" and not before.registered:
            raise NameTaken("event_types_pkey")
        after = with_given(next_row(change, caller.home, body.name, before), body)
        return put(change, before, after)

    saved, published = await save(console, caller, work)
    status(response, published, 201)
    versioned(response, saved)
    return shown(saved, published)


@router.get("")
def list_all(
    caller: Viewer,
    console: ConsoleDep,
    group: GroupWanted = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Page[EventTypeOut]:
    """The catalogue, by name; of one group, where one is named (W1)."""
    after = position(cursor, str) or ("",)
    if group is None:
        rows = EVENT_TYPES.page(console.pool, caller.home, after[0], limit + 1)
    else:
        rows = of_group(console.pool, caller.home, group, after[0], limit + 1)
    return page(rows, limit, shown, lambda row: (row.name,))


@router.get("/{name:path}")
def get(name: str, caller: Viewer, console: ConsoleDep, response: Response) -> EventTypeOut:
    """One event type."""
    row = EVENT_TYPES.get(console.pool, caller.home, name)
    if row is None:
        raise not_found("event-type", name)
    versioned(response, row)
    return shown(row)


@router.patch("/{name:path}")
async def change(
    name: str,
    body: EventTypeChange,
    caller: Editor,
    console: ConsoleDep,
    request: Request,
    response: Response,
) -> EventTypeOut:
    """Change an event type."""

    def work(change: Change) -> EventTypeRow:
        before = _locked(change, caller.home, name)
        check_version(request, before.version, body.version)
        after = with_given(next_row(change, caller.home, name, before), body)
        return put(change, before, after)

    saved, published = await save(console, caller, work)
    status(response, published, 200)
    versioned(response, saved)
    return shown(saved, published)


@router.delete("/{name:path}")
async def delete(
    name: str, caller: Editor, console: ConsoleDep, response: Response
) -> EventTypeOut:
    """Take an event type out of the catalogue."""

    def work(change: Change) -> EventTypeRow:
        before = _locked(change, caller.home, name)
        after = msgspec.structs.replace(before, version=before.version + 1, state="deleted")
        return EVENT_TYPES.update(change, before, after, after.record(), "delete")

    saved, published = await save(console, caller, work)
    status(response, published, 200)
    return shown(saved, published)


def _locked(change: Change, workspace: str, name: str) -> EventTypeRow:
    home(change, workspace)
    found = EVENT_TYPES.lock(change, workspace, name)
    if found is None:
        raise not_found("event-type", name)
    return found


def check_name(name: str) -> None:
    """422 unless it may be a type's name."""
    if not is_type(name):
        hint = "such as `contact.created`: letters, digits, . _ - : / and at most 128 of them"
        raise Problem(422, "invalid_type", "not a name of an event type", field="name", hint=hint)


def next_row(
    change: Change, workspace: str, name: str, before: EventTypeRow | None
) -> EventTypeRow:
    """What a person's words are to be added to: the row one version later, or an empty one."""
    if before is not None and before.state == "active":
        return msgspec.structs.replace(before, version=before.version + 1, registered=False)
    version = deleted_version(change, workspace, name) + 1
    return EventTypeRow(workspace=workspace, name=name, version=version)


def put(change: Change, before: EventTypeRow | None, after: EventTypeRow) -> EventTypeRow:
    """Save and publish a row that `next_row` began."""
    if before is not None and before.state == "active":
        return EVENT_TYPES.update(change, before, after, after.record())
    return EVENT_TYPES.insert(change, after, after.record())


def with_given(row: EventTypeRow, body: EventTypeChange) -> EventTypeRow:
    """The row with what `body` gives. 422 where the schema is none, or the sample does not fit."""
    columns = {
        "group": ("group_name", body.group),
        "description": ("description", body.description),
        "json_schema": ("json_schema", _json(body.json_schema)),
        "sample": ("sample", _json(body.sample)),
    }
    given = dict(columns[name] for name in columns if name in body.model_fields_set)
    after = msgspec.structs.replace(row, **given)
    if after.sample is not None and len(after.sample) > MAX_DATA:
        detail = f"a sample has at most {MAX_DATA} bytes, as the data of an event"
        raise Problem(422, "too_large", detail, field="sample")
    if after.json_schema is not None:
        must(check_schema_itself(after.json_schema), "json_schema")
        if after.sample is not None:
            must(check_schema(after.json_schema, after.sample), "sample")
    return after


def _json(value: Any) -> bytes | None:
    return None if value is None else msgspec.json.encode(value)
