"""What retry holds in memory (`HOOKSTREAM_RETRY_…`)."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class RetrySettings(BaseModel):
    """HOOKSTREAM_RETRY_…: the bound of what waits in memory; all else waits on disk."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    section: ClassVar[str] = "retry"

    scale: float = Field(default=1.0, gt=0, le=1)
    """Share of its time that a tier waits; below 1 in tests alone, where policies shrink alike."""
    held_mib: int = Field(default=96, ge=4, le=1024)
    """MiB of records that wait in memory."""
    held_records: int = Field(default=50_000, ge=1_000, le=1_000_000)
    """Records that wait in memory."""
    trim_every_s: float = Field(default=600, ge=0.1, le=86_400)
    """How often what has been moved on is deleted from the retry topics, in seconds."""
