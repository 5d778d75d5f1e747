"""Types that register themselves: what came in a workspace that wants to learn its catalogue.

An event of a type that the catalogue lacks gets in, and its type becomes a row there: without
description, schema or sample, marked `registered`, in the transaction of the batch. A workspace
learns so many and no more, so that types made of ids cannot fill it; later ones just get in.
"""

from collections.abc import Sequence

from hookstream.model.checks import check_fields, is_type
from hookstream.model.ids import is_id
from hookstream.model.json_data import check_json
from hookstream.model.operational import is_operational
from hookstream.model.records import Event
from hookstream.store import event_types
from hookstream.store.change import Change
from hookstream.store.event_types import EVENT_TYPES, EventTypeRow
from hookstream.store.workspaces import WORKSPACES

MOST = 1_000
"""Types that one workspace learns by itself."""


def register(change: Change, events: Sequence[Event], most: int = MOST) -> None:
    """Add the types that these events bring, where their workspaces want it."""
    kinds = {(e.workspace, e.type) for e in events if not is_operational(e.id, e.type)}
    named = sorted(kind for kind in kinds if is_id(kind[0]) and is_type(kind[1]))
    unknown = set(event_types.unregistered(change.cursor, named, most)) if named else set()
    if not unknown:
        return
    new = {
        (e.workspace, e.type) for e in events if (e.workspace, e.type) in unknown and _gets_in(e)
    }
    for workspace in sorted({workspace for workspace, _ in new}):
        names = sorted(name for home, name in new if home == workspace)
        _register(change, workspace, names, most)


def _gets_in(event: Event) -> bool:
    """What the router refuses registers nothing, as far as the event itself shows it."""
    return check_fields(event) is None and check_json(event.data) is None


def _register(change: Change, workspace: str, names: Sequence[str], most: int) -> None:
    """Writers of one workspace take turns, so a person may make the same type meanwhile."""
    if WORKSPACES.lock(change, workspace, workspace) is None:
        return
    left = most - event_types.count_registered(change, workspace)
    known = event_types.some(change, workspace, names)
    there = {name for name, row in known.items() if row.state == "active"}
    for name in [name for name in names if name not in there][: max(0, left)]:
        version = event_types.deleted_version(change, workspace, name) + 1
        row = EventTypeRow(workspace=workspace, name=name, version=version, registered=True)
        EVENT_TYPES.insert(change, row, row.record())
