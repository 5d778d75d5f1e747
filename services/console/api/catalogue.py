"""/v1/event-types/import and /v1/event-type-groups: the catalogue as a whole (W1)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field, ValidationError

from hookstream.store import event_types
from hookstream.store.change import Change
from hookstream.store.event_types import EventTypeRow
from services.console.api.event_types import EventTypeIn, check_name, next_row, put, with_given
from services.console.bodies import Body
from services.console.callers import Editor, Viewer
from services.console.context import ConsoleDep
from services.console.problems import RESPONSES, Problem, invalid
from services.console.rules import home
from services.console.saving import save

router = APIRouter(prefix="/v1", tags=["event types"], responses=RESPONSES)

MOST = 1_000
"""Types in one import."""


class Catalogue(Body):
    """Event types; a name stands there once."""

    event_types: Annotated[
        list[Any],
        Field(
            min_length=1,
            max_length=MOST,
            json_schema_extra={"items": {"$ref": "#/components/schemas/EventTypeIn"}},
        ),
    ]

    def read(self) -> list[EventTypeIn]:
        """The types. 422 that names the one which is none, or stands there twice."""
        read: dict[str, EventTypeIn] = {}
        for number, given in enumerate(self.event_types):
            with _naming(number, given):
                each = _read(given)
                if each.name in read:
                    raise Problem(422, "repeated_type", "stands here twice", field="name")
                read[each.name] = each
        return list(read.values())


class Imported(BaseModel):
    """The names of the types, by what became of them."""

    created: list[str]
    changed: list[str]
    unchanged: list[str]
    publishing: bool = False


class GroupOut(BaseModel):
    """A group of the catalogue; null: the types of no group."""

    group: str | None
    event_types: int


class GroupsOut(BaseModel):
    """All groups, by name."""

    items: list[GroupOut]


@router.post("/event-types/import")
async def import_all(body: Catalogue, caller: Editor, console: ConsoleDep) -> Imported:
    """Create and change event types, all of them or, where one is refused, none. What a type does
    not say stays as it is, null removes it; types that are not named stay. Again changes nothing.
    """
    types = body.read()

    def work(change: Change) -> Imported:
        home(change, caller.home)
        known = event_types.some(change, caller.home, [each.name for each in types])
        done: dict[str, list[str]] = {"created": [], "changed": [], "unchanged": []}
        for number, each in enumerate(types):
            with _naming(number, {"name": each.name}):
                done[_put(change, caller.home, known.get(each.name), each)].append(each.name)
        return Imported(**done)

    imported, published = await save(console, caller, work)
    return imported.model_copy(update={"publishing": not published})


@router.get("/event-type-groups")
def groups(caller: Viewer, console: ConsoleDep) -> GroupsOut:
    """The catalogue's groups, each with how many types it has."""
    found = event_types.groups(console.pool, caller.home)
    return GroupsOut(items=[GroupOut(group=name, event_types=count) for name, count in found])


def _read(given: Any) -> EventTypeIn:
    if not isinstance(given, dict):
        hint = 'such as {"name": "contact.created", "group": "CRM", "description": "…"}'
        raise Problem(422, "not_an_object", "an event type is an object", hint=hint)
    try:
        read = EventTypeIn.model_validate(given)
    except ValidationError as error:
        raise invalid(error) from None
    check_name(read.name)
    return read


def _put(
    change: Change, workspace: str, before: EventTypeRow | None, each: EventTypeIn
) -> Literal["created", "changed", "unchanged"]:
    after = with_given(next_row(change, workspace, each.name, before), each)
    if before is None or before.state != "active":
        put(change, before, after)
        return "created"
    if before == msgspec.structs.replace(after, version=before.version):
        return "unchanged"
    put(change, before, after)
    return "changed"


@contextmanager
def _naming(number: int, given: Any) -> Iterator[None]:
    """A refusal within says which type it means, by place and by name."""
    try:
        yield
    except Problem as problem:
        raise problem.within(f"event_types[{number}]", _name(given)) from None


def _name(given: Any) -> str:
    name = given.get("name") if isinstance(given, dict) else None
    return f"{name[:128]}: " if isinstance(name, str) and name else ""
