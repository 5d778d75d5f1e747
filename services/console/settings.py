"""How the console is reached, and the keys that seal what it saves."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from hookstream.model.seal import Keys, parse_keys

_FROZEN = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ConsoleSettings(BaseModel):
    """HOOKSTREAM_CONSOLE_…: management API and pages."""

    model_config = _FROZEN
    section: ClassVar[str] = "console"

    host: str = "127.0.0.1"
    port: int = Field(default=8800, ge=0, le=65535)
    operator_key: SecretStr | None = None
    """Creates workspaces and their first keys. None: nobody can."""
    public_url: str = ""
    """Where people reach the console, such as `https://hooks.example.com`; for links to it."""
    publish_wait_s: float = Field(default=1.0, ge=0, le=10)
    """How long an answer waits for its change to be on the topic, before it says `publishing`."""
    link_lasts_s: int = Field(default=3600, ge=60, le=86_400)
    session_lasts_s: int = Field(default=12 * 3600, ge=300, le=30 * 86_400)

    @field_validator("operator_key")
    @classmethod
    def _is_long(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < 24:
            raise ValueError("is shorter than 24 characters: make one with `openssl rand -hex 24`")
        return key


class SealSettings(BaseModel):
    """HOOKSTREAM_SEAL_…: keys for secrets and private headers. The first seals, all open."""

    model_config = _FROZEN
    section: ClassVar[str] = "seal"

    keys: SecretStr

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: SecretStr) -> SecretStr:
        parse_keys(keys.get_secret_value())
        return keys

    def parsed(self) -> Keys:
        """The keys, ready to seal with."""
        return parse_keys(self.keys.get_secret_value())
