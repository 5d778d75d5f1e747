"""docs/configuration.md from the settings groups: `python -m tests.unit.configuration_page`."""

import ast
import inspect
import textwrap
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from services.cli.settings import known

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
_HEAD = """# Configuration

All settings are environment variables, read once at the start. One environment may serve all
services: each reads its own groups and knows the names of all, so that a mistyped name ends the
start with an error that says which name was meant. An empty variable counts as not set. Lists are
separated by commas. `hookstream up` sets what has no default, and keeps the keys that it makes in
its data folder.

This page is made from the code (`python -m tests.unit.configuration_page`); a test compares them.
"""
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def page() -> str:
    """The whole page."""
    by_section = groupby(_ordered(), lambda group: str(group.section))  # type: ignore[attr-defined]
    return _HEAD + "".join(
        f"\n## {section}\n" + "".join(map(_section, groups)) for section, groups in by_section
    )


def _ordered() -> list[type[BaseModel]]:
    return sorted(known(), key=lambda group: str(group.section))  # type: ignore[attr-defined]


def _section(group: type[BaseModel]) -> str:
    section: str = group.section  # type: ignore[attr-defined]
    texts = _docstrings(group)
    rows = [
        f"| `HOOKSTREAM_{section}_{name}`".upper()
        + f" | {_default(field)} | {_allowed(field)}"
        + f" | {_sentence(' '.join((field.description or texts[name]).split()))} |\n"
        for name, field in group.model_fields.items()
    ]
    return (
        f"\n{_about(group)}\n\n| variable | default | allowed | what it is |\n"
        f"|---|---|---|---|\n{''.join(rows)}"
    )


def _about(group: type[BaseModel]) -> str:
    """The group's docstring, without the names that the table repeats."""
    text = " ".join((group.__doc__ or "").split())
    return _sentence(text.partition("…: ")[2] or text)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].removesuffix(".") + "."


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if field.is_required():
        return "required"
    if value in (None, "", ()):
        return "none"
    return f"`{_shown(value)}`"


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _allowed(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(get_args(field.annotation))
    bounds = [
        f"{sign} {getattr(limit, name)}"
        for limit in field.metadata
        for name, sign in _BOUNDS.items()
        if isinstance(limit, annotated_types.BaseMetadata) and hasattr(limit, name)
    ]
    secret = ["secret"] if SecretStr in (field.annotation, *get_args(field.annotation)) else []
    return ", ".join(secret + bounds)


def _docstrings(group: type[BaseModel]) -> dict[str, str]:
    """The text under each field. Every field has one, or a description."""
    (made,) = ast.parse(textwrap.dedent(inspect.getsource(group))).body
    assert isinstance(made, ast.ClassDef)
    found = {}
    for field, text in zip(made.body, made.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(field.target, ast.Name)
            found[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
