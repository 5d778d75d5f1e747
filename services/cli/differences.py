"""What has to change for a workspace to be as its files say. Pure: values in, steps out."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from services.cli.wanted import KINDS, Things

Action = Literal["create", "change", "delete"]
NEVER_SHOWN = frozenset({"secret"})
"""Fields that are written once and cannot be compared."""
_HIDDEN = "…"


class Step(NamedTuple):
    """One thing to create, change or delete. `fields`: name → (what is, what is wanted)."""

    action: Action
    kind: str
    name: str
    fields: dict[str, tuple[Any, Any]]


def steps(wanted: Things, there: Things, *, prune: bool) -> list[Step]:
    """In an order in which each finds what it needs: things are made before what names them, and
    deleted after. What the files leave out of a thing stays as it is; things that they do not name
    stay too, unless `prune`.
    """
    made = [step for kind in KINDS for step in _made(kind, wanted[kind], there[kind])]
    if not prune:
        return made
    gone = [
        Step("delete", kind, name, {})
        for kind in reversed(KINDS)
        for name in there[kind]
        if name not in wanted[kind]
    ]
    return made + gone


def _made(
    kind: str, wanted: Mapping[str, dict[str, Any]], there: Mapping[str, dict[str, Any]]
) -> list[Step]:
    found = []
    for name, thing in wanted.items():
        known = there.get(name)
        if known is None:
            found.append(Step("create", kind, name, {f: (None, v) for f, v in thing.items()}))
            continue
        differing = {
            field: (known.get(field), value)
            for field, value in thing.items()
            if field not in NEVER_SHOWN and not same(value, known.get(field))
        }
        if differing:
            found.append(Step("change", kind, name, differing))
    return found


def same(wanted: Any, shown: Any) -> bool:
    """Whether what is shown says what is wanted, and maybe more: defaults that were left out."""
    if isinstance(wanted, dict) and isinstance(shown, dict):
        if wanted.get("private") and shown.get("private"):  # its value is never shown
            wanted = {key: value for key, value in wanted.items() if key != "value"}
        return all(key in shown and same(value, shown[key]) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(shown, list):
        return len(wanted) == len(shown) and all(map(same, wanted, shown))
    if isinstance(wanted, int) and isinstance(shown, dict):  # a status code alone
        return shown == {"first": wanted, "last": wanted}
    return bool(wanted == shown)


def lines(step: Step) -> list[str]:
    """The step for people; values that are secret are not in it."""
    sign = {"create": "+", "change": "~", "delete": "-"}[step.action]
    told = [f"{sign} {step.kind}/{step.name}"]
    for field, (old, new) in step.fields.items():
        if step.action == "change":
            told.append(f"    {field}: {_told(field, old)} → {_told(field, new)}")
        elif field != "name":
            told.append(f"    {field}: {_told(field, new)}")
    return told


def _told(field: str, value: Any) -> str:
    if field in NEVER_SHOWN:
        return _HIDDEN
    text = repr(_hidden(value))
    return text if len(text) <= 200 else f"{text[:199]}{_HIDDEN}"


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("private"):
            return value | {"value": _HIDDEN}
        return {key: _hidden(each) for key, each in value.items()}
    return [_hidden(each) for each in value] if isinstance(value, list) else value
