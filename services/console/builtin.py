"""The built-in policies: files of data, one a product. Code knows none by name."""

from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from hookstream.model.policy import Policy


class Builtin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy that every workspace has, and what its webhooks get unless they say otherwise."""

    rules: Policy
    description: str
    content_type: str | None = "application/json"
    """Of webhooks made by the API; null: none is sent."""


@cache
def builtin() -> dict[str, Builtin]:
    """The built-in policies by id. The id is the file's name."""
    folder = files("services.console").joinpath("policies")
    found = (f for f in folder.iterdir() if f.name.endswith(".json"))
    loaded = (msgspec.json.decode(f.read_bytes(), type=Builtin) for f in found)
    return {each.rules.id: each for each in sorted(loaded, key=lambda each: each.rules.id)}
