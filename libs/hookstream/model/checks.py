"""What an event must be to get in: one function for both doors, HTTP and straight into Kafka."""

import difflib
import re
from collections.abc import Callable, Iterable

from hookstream.model.errors import Refusal
from hookstream.model.ids import is_id
from hookstream.model.json_data import check_json
from hookstream.model.json_schema import check_schema
from hookstream.model.operational import is_operational
from hookstream.model.records import Event, EventType, Workspace

MAX_DATA = 262_144
"""256 KiB of payload, unless a setting says less or more."""
MAX_TEXT = 256
LATEST_MS = 253_402_300_799_999
"""The end of the year 9999: later has no ISO 8601 form."""

_TYPE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

KnownTypes = Callable[[], Iterable[str]]
"""The names of the workspace's catalogue, asked only when a type is refused."""
HasWebhook = Callable[[str], bool]
"""Whether the workspace has a webhook of that system name, in any case of letters."""


def check(
    event: Event,
    workspace: Workspace | None,
    event_type: EventType | None,
    known_types: KnownTypes,
    has_webhook: HasWebhook,
    max_bytes: int = MAX_DATA,
) -> Refusal | None:
    """The first thing that is wrong with an event, or None. Its data is never changed.

    `event_type` is the catalogue's entry for the event's type, None where it has none. Operational
    events are in no catalogue.
    """
    ours = is_operational(event.id, event.type)
    return (
        check_fields(event)
        or _check_workspace(event, workspace)
        or (None if ours else _check_known(event, workspace, event_type, known_types))
        or _check_address(event, has_webhook)
        or check_data(event.data, max_bytes)
        or (None if ours else _check_schema(event, event_type))
    )


def check_fields(event: Event) -> Refusal | None:
    """Id, type, times and texts by themselves, whatever the configuration."""
    if not is_id(event.id):
        return _refused("invalid_id", "id", "is not 1 to 64 of A-Z a-z 0-9 _ -", "no dots")
    if not is_type(event.type):
        hint = "such as `contact.created`: letters, digits, . _ - : / and at most 128 of them"
        return _refused("invalid_type", "type", "is not a name of an event type", hint)
    if not 0 <= event.created_at_ms <= LATEST_MS:
        return _refused("invalid_created_at", "created_at", "is not between 1970 and 9999")
    return _check_text("subject", event.subject) or _check_text("source", event.source)


def is_type(name: str) -> bool:
    """Whether `name` may be an event type: 1 to 128 of letters, digits and `. _ - : /`."""
    return _TYPE.fullmatch(name) is not None


def check_data(data: bytes, max_bytes: int) -> Refusal | None:
    """Size and JSON of a payload. 7 µs for 1 KB."""
    if len(data) > max_bytes:
        detail = f"is {len(data)} bytes, more than the {max_bytes} allowed"
        return _refused("too_large", "data", detail, "send a reference to it instead")
    return check_json(data)


def _check_text(field: str, text: str | None) -> Refusal | None:
    if text is None:
        return None
    if not 0 < len(text) <= MAX_TEXT:
        return _refused(f"invalid_{field}", field, f"is not 1 to {MAX_TEXT} characters")
    if _CONTROL.search(text):
        return _refused(f"invalid_{field}", field, "contains a control character")
    return None


def _check_workspace(event: Event, workspace: Workspace | None) -> Refusal | None:
    if workspace is None or workspace.id != event.workspace or workspace.state != "active":
        return _refused("unknown_workspace", "workspace", "does not exist")
    return None


def _check_known(
    event: Event, workspace: Workspace | None, event_type: EventType | None, known: KnownTypes
) -> Refusal | None:
    if event_type is not None and event_type.state == "active":
        return None
    if workspace is None or workspace.unknown_types != "refuse":
        return None
    near = difflib.get_close_matches(event.type, list(known()), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "add it to the catalogue first"
    return _refused("unknown_type", "type", f"{event.type!r} is not in the catalogue", hint)


def _check_address(event: Event, has_webhook: HasWebhook) -> Refusal | None:
    if event.webhook is None or has_webhook(event.webhook):
        return None
    detail = f"no webhook has the system name {event.webhook[:64]!r}"
    return _refused("unknown_webhook", "webhook", detail, "names are listed by GET /v1/webhooks")


def _check_schema(event: Event, event_type: EventType | None) -> Refusal | None:
    if event_type is None or event_type.json_schema is None or event_type.state != "active":
        return None
    return check_schema(event_type.json_schema, event.data)


def _refused(code: str, field: str, detail: str, hint: str = "") -> Refusal:
    return Refusal(code=code, field=field, detail=f"{field} {detail}", hint=hint)
