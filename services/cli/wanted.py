"""Configuration as files: what people write down, read and checked as far as files alone can tell.

YAML or JSON, in one file or many: lists of `event_types`, `policies`, `integrations`, `webhooks`,
each thing with the fields that the API's POST takes. A value `${NAME}` stands for a variable of the
environment, so that secrets need not be in files.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from click import ClickException

KINDS = ("event_types", "policies", "integrations", "webhooks")
"""In the order in which they may need each other."""
Things = dict[str, dict[str, dict[str, Any]]]
"""kind → name → fields."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def read(files: Iterable[str], environ: Mapping[str, str] = os.environ) -> Things:
    """All that the files name. ClickException that says where what is wrong."""
    things: Things = {kind: {} for kind in KINDS}
    for path in _paths(files):
        for document in _documents(path):
            _take(things, document, path, environ)
    return things


def _paths(files: Iterable[str]) -> list[Path]:
    found: list[Path] = []
    for name in files:
        path = Path(name)
        if path.is_dir():
            kinds = (".yaml", ".yml", ".json")
            found += sorted(p for p in path.iterdir() if p.suffix in kinds)
        else:
            found.append(path)
    return found


def _documents(path: Path) -> list[Any]:
    try:
        read = yaml.safe_load_all(path.read_text("utf-8"))
        return [document for document in read if document is not None]
    except (OSError, UnicodeDecodeError) as error:
        raise ClickException(f"{path}: {error}") from None
    except yaml.YAMLError as error:
        raise ClickException(f"{path} is not YAML: {error}") from None


def _take(things: Things, document: Any, path: Path, environ: Mapping[str, str]) -> None:
    if not isinstance(document, dict):
        raise ClickException(f"{path}: not a mapping; it begins with one of {', '.join(KINDS)}")
    for kind, listed in document.items():
        if kind not in KINDS:
            raise ClickException(f"{path}: {kind!r} is none of {', '.join(KINDS)}")
        if not isinstance(listed, list):
            raise ClickException(f"{path}: {kind} is a list of things, each with a name")
        for number, thing in enumerate(listed):
            where = f"{path}: {kind}[{number}]"
            name = _name(thing, where)
            if name in things[kind]:
                raise ClickException(f"{where}: {name} stands in these files twice")
            things[kind][name] = _filled(thing, where, environ)


def _name(thing: Any, where: str) -> str:
    name = thing.get("name") if isinstance(thing, dict) else None
    if not isinstance(name, str) or not name:
        raise ClickException(f"{where} has no name: things are known by theirs")
    return name


def _filled(value: Any, where: str, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {k: _filled(v, f"{where}.{k}", environ) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(each, where, environ) for each in value]
    variable = _VARIABLE.fullmatch(value) if isinstance(value, str) else None
    if variable is None:
        return value
    if variable[1] not in environ:
        raise ClickException(f"{where}: the variable {variable[1]} is not set")
    return environ[variable[1]]
