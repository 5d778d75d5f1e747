"""Settings from the environment, read in one place: HOOKSTREAM_<SECTION>_<FIELD>.

A group is a frozen pydantic model with `extra="forbid"` and a class variable `section`, defined in
the package that it steers. One environment is shared by all services, so each names the groups of
all (`known`) and reads its own; a name that belongs to none of them is an error, not a surprise.

pydantic-settings reads the variables. Around it stands what it does not do: refuse a mistyped
section, and speak of HOOKSTREAM_KAFKA_X where it says `kafka.x`.
"""

import collections.abc
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource
from pydantic_settings.sources.utils import parse_env_vars

PREFIX = "HOOKSTREAM_"
API_KEY = "HOOKSTREAM_KEY"
"""What commands speak to the API with: no setting, and may stand beside them."""
LISTS = (list, tuple, set, frozenset, collections.abc.Sequence)
# What Kubernetes adds for a Service called hookstream-…; nobody mistyped these.
SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT\w*)$|_PORT_\d+_(TCP|UDP)(_\w+)?$")

Group = TypeVar("Group", bound=BaseModel)


class SettingsError(Exception):
    """The environment is wrong. `problems`: a line each, naming the variable and what would do."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Environment:
    """The variables of a process, checked for names that no group knows."""

    def __init__(self, environ: Mapping[str, str], known: Iterable[type[BaseModel]]) -> None:
        """SettingsError if a HOOKSTREAM_ variable belongs to no group in `known`."""
        given = environ.items()
        ours = {name: value for name, value in given if name.startswith(PREFIX) and name != API_KEY}
        names = {name for group in known for name in variables(group)}
        unknown = [n for n in sorted(ours) if n not in names and not _is_link(n, ours[n])]
        if unknown:
            raise SettingsError([_unknown(name, names) for name in unknown])
        self._values = ours

    def read(self, group: type[Group]) -> Group:
        """The group, filled. An empty variable counts as not set. SettingsError names variables."""
        names = variables(group)
        raw = {names[n]: self._values[n] for n in names if self._values.get(n)}
        try:
            return group.model_validate(_Variables(group, self._values)())
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            raise SettingsError([_problem(group, raw, dict(d)) for d in details]) from None


class _Variables(EnvSettingsSource):
    """pydantic-settings' reader, over the mapping it is given. Lists are separated by commas."""

    def __init__(self, group: type[BaseModel], values: Mapping[str, str]) -> None:
        self._given = {name.lower(): value for name, value in values.items()}
        section: str = group.section  # type: ignore[attr-defined]
        prefix = f"{PREFIX}{section}_".lower()
        super().__init__(
            group,  # type: ignore[arg-type]
            env_prefix=prefix,
            env_ignore_empty=True,
            case_sensitive=False,
        )

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return parse_env_vars(self._given, ignore_empty=True)

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Lists by commas, mappings as JSON; what is neither is left to the group to refuse."""
        if any(kind in LISTS for kind in _kinds(field.annotation)):
            return [item.strip() for item in value.split(",") if item.strip()]
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def variables(group: type[BaseModel]) -> dict[str, str]:
    """Names of the variables that fill a group, each with its field."""
    section: str = group.section  # type: ignore[attr-defined]
    return {f"{PREFIX}{section}_{field}".upper(): field for field in group.model_fields}


def _is_link(name: str, value: str) -> bool:
    return SERVICE_LINK.search(name) is not None or (name.endswith("_PORT") and "://" in value)


def _unknown(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.0)
    return f"{name}: there is no such setting" + (f"; did you mean {near[0]}?" if near else "")


def _kinds(annotation: Any) -> set[Any]:
    """The containers and types that an annotation allows, unions taken apart."""
    origin = get_origin(annotation)
    if origin is None or origin in LISTS:
        return {origin or annotation}
    inner = {kind for argument in get_args(annotation) for kind in _kinds(argument)}
    return {origin} if origin in (dict, collections.abc.Mapping) else inner


def _problem(group: type[BaseModel], raw: Mapping[str, str], detail: Mapping[str, Any]) -> str:
    """One line: the variable, what is wrong, what it is for."""
    names = {field: name for name, field in variables(group).items()}
    field = str(detail["loc"][0]) if detail["loc"] else ""
    if field not in names:
        return f"{PREFIX}{group.section.upper()}_*: {detail['msg']}"  # type: ignore[attr-defined]
    message = "is required" if detail["type"] == "missing" else detail["msg"]
    info = group.model_fields[field]
    if field in raw and _kinds(info.annotation) & {SecretStr, SecretBytes}:
        message = message.replace(raw[field], "…")
    told = " ".join((info.description or "").split())
    return f"{names[field]}: {message}" + (f" ({told})" if told else "")
