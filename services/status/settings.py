"""How status batches, keeps and releases (`HOOKSTREAM_STATUS_…`)."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

FAILING_AFTER_S = 300.0


class StatusSettings(BaseModel):
    """HOOKSTREAM_STATUS_…: batches, retention, the pace of releases."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )
    section: ClassVar[str] = "status"

    linger_ms: int = Field(default=100, ge=0, le=5_000)
    """How long a batch waits for more: the log is behind by as much, and the cheaper for it."""
    batch_records: int = Field(default=2_000, ge=1, le=10_000)
    """Records in one batch, at most."""
    batch_mib: int = Field(default=16, ge=1, le=256)
    """MiB in one batch, at most."""
    kept_days: int = Field(default=30, ge=2, le=3_650)
    """Days after which events, deliveries and attempts are dropped, today not counted."""
    dead_kept_days: int = Field(default=30, ge=1, le=3_650)
    """Days after which dead letters are dropped."""
    parked_kept_days: int = Field(default=7, ge=1, le=3_650)
    """A delivery parked for longer ends as `expired`; never later than its event is dropped."""
    parked_most: int = Field(default=100_000, ge=1, le=10_000_000)
    """Deliveries parked for one webhook, at most: of more the oldest end as `overflow`."""
    compare_every_s: float = Field(default=60.0, gt=0, le=3_600)
    """How often the topic config is compared with Postgres: a late, old record stays no longer."""
    release_per_s: int = Field(default=50, ge=1, le=1_000)
    """Parked deliveries released a second for each webhook that is active again; never more than
    half of its rate, and one a second while it is behind. Replays keep to the same."""
    failing_after_s: float = Field(default=FAILING_AFTER_S, ge=0, le=864_000)
    """A webhook that has only failed for so long is told of as `webhook.failing`, in seconds."""
