"""What all request bodies do alike: unknown fields are refused, with the name that was meant."""

import difflib
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


class Body(BaseModel):
    """A request body, or a part of one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, value: Any) -> Any:
        if isinstance(value, dict):
            known = _names(cls)
            for name in value:
                if name not in known:
                    raise _unknown(str(name), known)
        return value


def _names(cls: type[BaseModel]) -> list[str]:
    aliases = (field.validation_alias for field in cls.model_fields.values())
    choices = [c for a in aliases for c in getattr(a, "choices", ()) if isinstance(c, str)]
    return sorted({*cls.model_fields, *choices})


def _unknown(name: str, known: list[str]) -> PydanticCustomError:
    near = difflib.get_close_matches(name, known, n=3)
    meant = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"
    return PydanticCustomError(
        "unknown_field", "{name} is not a field here", {"name": name[:80], "hint": meant}
    )
