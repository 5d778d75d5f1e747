"""What a request says of an event, taken apart without touching its `data`."""

import difflib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from services.ingest.problems import Problem

Text = str | None | UnsetType


class Posted(Struct, forbid_unknown_fields=True):
    """One event as a request has it."""

    type: str
    data: Raw
    id: Text = UNSET
    source: Text = UNSET
    subject: Text = UNSET
    created_at: Raw | UnsetType = UNSET
    webhook: Text = UNSET


FIELDS = Posted.__struct_fields__
_HINTS = {
    "created_at": "RFC 3339 with an offset, such as 2026-03-01T12:00:00Z",
    "data": "any JSON value",
    "type": "such as `contact.created`",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_UNKNOWN = re.compile(r"unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"missing required field `(\w+)`")
_AT = re.compile(r"^(.*) - at `\$\.(\w+)`", re.DOTALL)

_decoder = msgspec.json.Decoder(Posted)
_time = msgspec.json.Decoder(Annotated[datetime, Meta(tz=True)] | None)
_array = msgspec.json.Decoder(list[Raw])


def decode(raw: bytes | Raw) -> Posted:
    """The event in one JSON object. Raises `Problem` that names the field."""
    try:
        posted = _decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _wrong(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error) from None
    if _may_repeat(raw, posted):
        _refuse_repeats(raw)
    return posted


def split(body: bytes) -> list[bytes | Raw]:
    """The events of a batch, unread: items of a JSON array, or lines (NDJSON)."""
    if not body.lstrip(b" \t\r\n").startswith(b"["):
        return [line for line in body.split(b"\n") if line.strip()]
    try:
        return list(_array.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error) from None


def created_at_ms(posted: Posted, now_ms: int) -> int:
    """When it happened: as given, else now. Raises `Problem` if what is given is no time."""
    if posted.created_at is UNSET:
        return now_ms
    try:
        at = _time.decode(posted.created_at)
    except msgspec.DecodeError as error:
        raise _wrong_time(str(error)) from None
    return now_ms if at is None else (at - _EPOCH) // _MS


def _wrong_time(text: str) -> Problem:
    detail, hint = f"created_at: {text[:200]}", _HINTS["created_at"]
    return Problem(422, "invalid_created_at", detail, field="created_at", hint=hint)


def not_json(error: Exception) -> Problem:
    """The text cannot be taken apart at all."""
    fault = {UnicodeDecodeError: "not UTF-8", RecursionError: "nested too deeply"}
    detail = f"the body is not valid JSON: {fault.get(type(error)) or error}"
    return Problem(400, "invalid_json", detail, field="body")


def _wrong(text: str) -> Problem:
    if unknown := _UNKNOWN.search(text):
        return _unknown(unknown[1][:80])
    if missing := _MISSING.search(text):
        field = missing[1]
        hint = _HINTS.get(field, "")
        return Problem(422, "missing_field", f"{field} is missing", field=field, hint=hint)
    if at := _AT.search(text):
        detail, field = f"{at[2]}: {at[1][:200]}", at[2]
        return Problem(422, f"invalid_{field}", detail, field=field, hint=_HINTS.get(field, ""))
    detail = f"an event is a JSON object: {text[:200]}"
    return Problem(422, "invalid_body", detail, field="body", hint='{"type": …, "data": …}')


def _unknown(name: str) -> Problem:
    near = difflib.get_close_matches(name, FIELDS, n=3)
    meant = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(FIELDS)}"
    detail = f"{name} is not a field of an event"
    return Problem(422, "unknown_field", detail, field=name, hint=meant)


def _may_repeat(raw: bytes | Raw, posted: Posted) -> bool:
    """Whether there are other colons than members have, and values: an escape, or a repeat."""
    colons = bytes(raw).count(b":") - bytes(posted.data).count(b":") - posted.type.count(":") - 2
    if posted.created_at is not UNSET:
        colons -= 1 + bytes(posted.created_at).count(b":")
    if posted.id is not UNSET:
        colons -= 1 + (":" in posted.id and posted.id.count(":") if posted.id else 0)
    for text in (posted.source, posted.subject, posted.webhook):
        if text is not UNSET:
            colons -= 1 + (text.count(":") if text else 0)
    return colons != 0


def _refuse_repeats(raw: bytes | Raw) -> None:
    """Of a member given twice, two readers may keep different ones."""
    pairs: list[tuple[str, Any]] = []

    def kept(members: list[tuple[str, Any]]) -> None:
        pairs[:] = members  # the outermost object is the last to end

    try:
        json.loads(bytes(raw), object_pairs_hook=kept)
    except (ValueError, RecursionError):
        return  # within `data`, which the checks look at
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise Problem(422, "repeated_field", f"{name} is given twice", field=name)
