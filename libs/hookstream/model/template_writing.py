"""Where a template's output goes: it knows by the text before a value how that is escaped."""

import re
from typing import Literal

from liquid.output import LimitedStringIO

from hookstream.model import escape
from hookstream.model.escape import text_of

Place = Literal["url", "header", "json", "form", "text"]
"""Where a template stands. Within `url` and `json` the text before a value says how it is escaped:
path or query, within quotes or not."""

_QUOTE = re.compile(r'\\.|"', re.S)


class Writing(LimitedStringIO):
    """A request's text as it grows. `literal` is the template's own, `value` comes from data."""

    def __init__(self, place: Place, limit: int) -> None:
        super().__init__(limit)
        self._place = place
        self._inside = False
        """Within quotes of JSON; behind the `?` of a URL."""

    def literal(self, text: str) -> int:
        """The template's own text, as it is."""
        if self._place == "json":
            quotes = sum(1 for found in _QUOTE.findall(text) if found == '"')
            self._inside ^= bool(quotes % 2)
        elif self._place == "url":
            self._inside = self._inside or "?" in text
        return self.write(text)

    def value(self, value: object) -> int:
        """A value, escaped so that it stays one."""
        return self.write(self._escaped(value))

    def _escaped(self, value: object) -> str:
        if self._place == "json":
            return escape.in_json_string(value) if self._inside else escape.json_of(value)
        if self._place == "url":
            return escape.in_query(value) if self._inside else escape.in_path(value)
        if self._place == "form":
            return escape.in_query(value)
        return escape.in_header(value) if self._place == "header" else text_of(value)
