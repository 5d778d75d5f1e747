"""What the router takes (`HOOKSTREAM_ROUTER_…`)."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class RouterSettings(BaseModel):
    """HOOKSTREAM_ROUTER_…: limits of events and of what is produced ahead of its acks."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    section: ClassVar[str] = "router"

    max_event_kib: int = Field(default=256, ge=1, le=480)
    """Data of an event; as ingest's."""
    ahead: int = Field(default=5_000, ge=1, le=100_000)
    """Deliveries produced and not yet acknowledged."""
    ahead_mib: int = Field(default=32, ge=1, le=256)
    """The same in MiB of data."""
