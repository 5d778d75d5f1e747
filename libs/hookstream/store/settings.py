"""Where PostgreSQL is, and how many connections a process may hold."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class PostgresSettings(BaseModel):
    """HOOKSTREAM_POSTGRES_…: the database that keeps configuration and log."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )
    section: ClassVar[str] = "postgres"

    dsn: SecretStr = SecretStr("postgresql://127.0.0.1:5432/hookstream")
    """A libpq connection string or URL. Secret, for it may hold a password."""
    pool_size: int = Field(default=8, ge=1, le=100)
    """Most connections of one process, those that listen not counted."""
    wait_s: float = Field(default=5.0, gt=0, le=60)
    """How long a request waits for a connection before the answer is 503."""
