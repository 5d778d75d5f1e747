"""Values as they stand in a request: as text, as JSON, and escaped by the place they stand in."""

import math
import re
from urllib.parse import quote

import msgspec

from hookstream.model.template_syntax import TemplateError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class Number(float):
    """A decimal out of an event, which keeps its own text: 1.10 stays 1.10."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> "Number":
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[type["Number"], tuple[str]]:
        return Number, (self.text,)


class JsonText(str):
    """JSON already: what the filter `json` makes. Stands as it is where a JSON value may stand."""

    __slots__ = ()


_decode = msgspec.json.Decoder(float_hook=Number).decode


def loaded(data: bytes) -> object:
    """JSON as templates see it. Numbers keep their text."""
    return _decode(data)


def text_of(value: object) -> str:
    """As it reads within a text. Nothing at all for what is not there."""
    if isinstance(value, str):
        return value
    if value is None or not isinstance(value, bool | int | float | dict | list | tuple):
        return ""
    return json_of(value)


def json_of(value: object) -> str:
    """As JSON. `null` for what is not there."""
    if isinstance(value, str):
        return value if isinstance(value, JsonText) else _quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, dict):
        members = (f"{_quoted(str(name))}:{json_of(inner)}" for name, inner in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_of, value)) + "]"
    return "null"


def in_path(value: object) -> str:
    """One piece of a URL's path: it ends no segment, begins no query, names no host."""
    return quote(text_of(value), safe="")


def in_query(value: object) -> str:
    """A name or value in a URL's query, or in a form's body: it never begins another."""
    return quote(text_of(value), safe="")


def in_header(value: object) -> str:
    """Part of a header's value: line breaks and other controls become a space (RFC 9110 5.5),
    what is not ASCII is percent-encoded, since receivers disagree on its bytes."""
    text = _CONTROL.sub(" ", text_of(value))
    return text if text.isascii() else quote(text, safe=_ASCII)


def in_json_string(value: object) -> str:
    """Between the quotes of a JSON string: it never ends the string."""
    return _quoted(text_of(value))[1:-1]


_ASCII = "".join(map(chr, range(0x20, 0x7F)))


def _number(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        raise TemplateError("a number is too large")
    return str(value)


def _quoted(text: str) -> str:
    # `str`: msgspec writes no subclass of it.
    return msgspec.json.encode(str(text)).decode()
