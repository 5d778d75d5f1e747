"""The keys that seal secrets and private headers, for those who seal and those who open."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from hookstream.model.seal import Keys, parse_keys


class SealSettings(BaseModel):
    """HOOKSTREAM_SEAL_…: the first key seals, all open."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )
    section: ClassVar[str] = "seal"

    keys: SecretStr
    """Keys of 32 bytes in base64 or hex, separated by commas: the first seals, all open."""

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: SecretStr) -> SecretStr:
        parse_keys(keys.get_secret_value())
        return keys

    def parsed(self) -> Keys:
        """The keys, ready to seal with."""
        return parse_keys(self.keys.get_secret_value())
