"""How ingest is reached and what it takes (`HOOKSTREAM_INGEST_…`)."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from hookstream.model.checks import MAX_DATA

KIB = 1024


class IngestSettings(BaseModel):
    """HOOKSTREAM_INGEST_…: the door for events over HTTP."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    section: ClassVar[str] = "ingest"

    host: str = Field("127.0.0.1", description="where events are taken")
    port: int = Field(8801, ge=0, le=65535, description="its port; 0: any free one, logged")
    max_data_bytes: int = Field(
        MAX_DATA, ge=KIB, le=480 * KIB, description="the largest `data` of one event"
    )
    max_batch_bytes: int = Field(
        8 * KIB * KIB, ge=KIB, le=256 * KIB * KIB, description="the largest body of a batch"
    )
    max_batch_events: int = Field(1_000, ge=1, le=10_000, description="events in one batch")
    max_held_mb: int = Field(256, ge=16, description="MiB of large bodies held at a time")
    max_waiting: int = Field(
        50_000, ge=1, description="events that may wait for Kafka before new ones get 503"
    )
    body_timeout_s: float = Field(
        30, gt=0, description="seconds for a request to arrive, head and body"
    )
