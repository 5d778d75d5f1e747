"""How the console is reached and what it allows."""

from ipaddress import ip_network
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator


class PublishedSettings(BaseModel):
    """HOOKSTREAM_EGRESS_…: what people are told of where requests come from."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )
    section: ClassVar[str] = "egress"

    published: tuple[str, ...] = ()
    """Networks that requests leave from, such as `203.0.113.0/24`; `GET /v1/egress` lists them."""

    @field_validator("published")
    @classmethod
    def _are_networks(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(text)) for text in texts)


class ConsoleSettings(BaseModel):
    """HOOKSTREAM_CONSOLE_…: management API and pages."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )
    section: ClassVar[str] = "console"

    host: str = "127.0.0.1"
    """Where pages and management API are served."""
    port: int = Field(default=8800, ge=0, le=65535)
    """Its port; 0: any free one."""
    operator_key: SecretStr | None = None
    """Creates workspaces and their first keys. None: nobody can."""
    public_url: str = ""
    """Where people reach the console, such as `https://hooks.example.com`; for links to it."""
    publish_wait_s: float = Field(default=1.0, ge=0, le=60)
    """How long an answer waits for its change to be on the topic, before it says `publishing`."""
    requests_per_s: float = Field(default=200.0, gt=0, le=100_000)
    """Requests a second of one API key, each process counting for itself; above: 429."""
    requests_burst: int = Field(default=2_000, ge=1, le=1_000_000)
    """Requests that a key may make at once after a pause."""
    link_lasts_s: int = Field(default=3600, ge=60, le=86_400)
    """How long a link into the pages can be used, in seconds."""
    session_lasts_s: int = Field(default=12 * 3600, ge=300, le=30 * 86_400)
    """How long a browser stays in, in seconds."""

    @field_validator("operator_key")
    @classmethod
    def _is_long(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < 24:
            raise ValueError("is shorter than 24 characters: make one with `openssl rand -hex 24`")
        return key
