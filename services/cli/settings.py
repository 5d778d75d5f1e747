"""All settings there are, and those of `hookstream up` itself (`HOOKSTREAM_UP_…`)."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

SERVICES = ("ingest", "router", "deliverer", "retry", "status", "console")
"""In the order in which an event passes them."""

_SHARED = (
    "hookstream.process.run",
    "hookstream.process.telemetry",
    "hookstream.process.sealing",
    "hookstream.stream.settings",
    "hookstream.stream.registry",
    "hookstream.store.settings",
)


class UpSettings(BaseModel):
    """HOOKSTREAM_UP_…: where `hookstream up` keeps its data and what it listens on."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )
    section: ClassVar[str] = "up"

    data_dir: Path = Path(".hookstream")
    """Kafka's and PostgreSQL's data, keys and logs; made at the first start."""
    console_port: int = Field(default=8800, ge=1, le=65535)
    """Of pages and management API."""
    ingest_port: int = Field(default=8801, ge=1, le=65535)
    """Where events are taken."""
    health_port: int = Field(default=8802, ge=1, le=65530)
    """The first of six, one a service."""
    kafka_port: int = Field(default=19092, ge=1, le=65535)
    """Of the Kafka that is started."""
    postgres_port: int = Field(default=15432, ge=1, le=65535)
    """Of the PostgreSQL that is started."""


def known() -> list[type[BaseModel]]:
    """The groups of all services: one environment is shared, so each must know all names.

    Found, not listed: whatever class in a service's `settings.py` has a section is one.
    """
    modules = [*_SHARED, *(f"services.{name}.settings" for name in SERVICES)]
    found = {group for name in modules if _is_there(name) for group in _groups(import_module(name))}
    return [UpSettings, *sorted(found, key=lambda group: group.__name__)]


def _is_there(module: str) -> bool:
    package = module.rpartition(".")[0]
    return find_spec(package) is not None and find_spec(module) is not None


def _groups(module: Any) -> list[type[BaseModel]]:
    values = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, BaseModel)]
    return [value for value in values if hasattr(value, "section")]
