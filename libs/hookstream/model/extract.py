"""What an answer says, taken out before it is cut: its `reason` (P5), and values by name (M8)."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hookstream.model.expression import Budget, EvaluationError, evaluate

MAX_REASON = 1_000
"""Characters of a reason that are kept."""
MAX_VALUES = 16_384
"""Bytes of all values of one answer, as JSON."""
_MAX_NOTE = 500
_UNSHOWN = re.compile(
    "[\\s\\x00-\\x1f\\x7f-\\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+"
)
"""White space, control characters, and what turns the direction of text around."""


class Said(Struct, frozen=True, kw_only=True):
    """What one answer says."""

    reason: str | None = None
    values: bytes | None = None
    """JSON: {system name of the webhook: {name: value}}; None where nothing is extracted."""
    note: str | None = None
    """Why values are null."""


NOTHING = Said()


class _Reason(Struct):
    reason: Any = None


_reason = msgspec.json.Decoder(_Reason)
_encode = msgspec.json.Encoder().encode
_ANY = msgspec.json.Decoder()
_NULL = Raw(b"null")


def said(body: bytes, is_cut: bool, extract: Mapping[str, str], webhook: str) -> Said:
    """What the answer says. `extract`: name → JMESPath; `webhook`: its system name.

    Without `extract`, an answer in which no `"reason"` stands is not even parsed.
    """
    if extract:
        return _extracted(body, is_cut, extract, webhook)
    if is_cut or b'"reason"' not in body:
        return NOTHING
    try:
        return Said(reason=stated(_reason.decode(body).reason))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return NOTHING


def stated(reason: Any) -> str | None:
    """A reason as it may be shown to people: one line, bounded; None where there is none."""
    if not isinstance(reason, str):
        return None
    return _UNSHOWN.sub(" ", reason).strip()[:MAX_REASON] or None


def _extracted(body: bytes, is_cut: bool, extract: Mapping[str, str], webhook: str) -> Said:
    if is_cut:
        return _nothing_of(extract, webhook, "the answer was too long, or did not end in time")
    if not body:
        return _nothing_of(extract, webhook, "the answer has no body")
    try:
        answer = _ANY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _nothing_of(extract, webhook, "the answer is not JSON")
    found, faults = _values(answer, extract)
    reason = stated(answer.get("reason")) if isinstance(answer, dict) else None
    return Said(
        reason=reason,
        values=_encode({webhook: found}),
        note="; ".join(faults)[:_MAX_NOTE] or None,
    )


def _nothing_of(extract: Mapping[str, str], webhook: str, note: str) -> Said:
    return Said(values=_encode({webhook: dict.fromkeys(extract)}), note=note)


def _values(answer: Any, extract: Mapping[str, str]) -> tuple[dict[str, Raw], list[str]]:
    """Each value as JSON, and what was wrong with those that are null for a fault."""
    budget, room = Budget(), MAX_VALUES
    found, faults = dict.fromkeys(extract, _NULL), []
    for name, expression in extract.items():
        try:
            encoded = _encode(evaluate(expression, answer, budget))
        except (EvaluationError, msgspec.MsgspecError, TypeError, RecursionError) as error:
            faults.append(f"{name}: {error}")
            continue
        if len(encoded) > room:
            faults.append(f"{name}: values may be {MAX_VALUES} bytes in all")
            continue
        room -= len(encoded)
        found[name] = Raw(encoded)
    return found, faults
