"""The filters that templates may use: Liquid's own that only compute, and what those lack.

None reads a clock, a file or a setting. Those of Liquid that could make much of little in one
call, or that take time beyond the size of what they are given, are written anew here.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from liquid.builtin.filters import array, math, misc, string

from hookstream.model.escape import JsonText, json_of, text_of
from hookstream.model.template_syntax import TemplateError

MAX_TEXT = 524_288
"""Characters of a value that a filter makes, bytes of a body: twice the largest payload."""
_DIRECTIVES = re.compile(r"(?:[^%]|%-?[aAbBcdHIjmMpSuUwWxXyYGVZzs%])*+")
_EARLIEST, _LATEST = 0, 253_402_300_799


def json(value: object) -> JsonText:
    """The value as JSON."""
    return JsonText(json_of(value))


def replace(text: str, old: object, new: object = "") -> str:
    """The text with every `old` replaced."""
    one, other = text_of(old), text_of(new)
    _check(len(text) + text.count(one) * max(0, len(other) - len(one)))
    return text.replace(one, other)


def join(items: object, separator: object = " ") -> str:
    """The items as one text."""
    texts, between = [text_of(item) for item in _listed(items)], text_of(separator)
    _check(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def uniq(items: object, key: object = None) -> list[object]:
    """The items without repeats, the first of each; by a member of theirs if `key` names one."""
    first: dict[str, object] = {}
    for item in _listed(items):
        first.setdefault(json_of(_member(item, key) if key is not None else item), item)
    return list(first.values())


def date(value: object, form: object = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """A time, in ISO 8601 or seconds since 1970, as text, always in UTC."""
    pattern = text_of(form)
    if len(pattern) > 100 or not _DIRECTIVES.fullmatch(pattern):
        raise ValueError("no date format; `%` is followed by one letter, as in %Y-%m-%d")
    at = _time(value)
    return at.strftime(pattern.replace("%s", str(int(at.timestamp()))))


def _time(value: object) -> datetime:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not _EARLIEST <= value <= _LATEST:
            raise ValueError("not between 1970 and 9999")
        return datetime.fromtimestamp(float(value), UTC)
    at = datetime.fromisoformat(text_of(value))
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _listed(items: object) -> list[Any]:
    if isinstance(items, list | tuple):
        return list(items)
    return [] if items is None or isinstance(items, Mapping) else [items]


def _member(item: object, key: object) -> object:
    return item.get(text_of(key)) if isinstance(item, dict) else None


def _check(length: int) -> None:
    if length > MAX_TEXT:
        raise TemplateError(f"makes a text of more than {MAX_TEXT} characters")


FILTERS: dict[str, Callable[..., object]] = {
    "append": string.append,
    "prepend": string.prepend,
    "capitalize": string.capitalize,
    "downcase": string.downcase,
    "upcase": string.upcase,
    "strip": string.strip,
    "lstrip": string.lstrip,
    "rstrip": string.rstrip,
    "squish": string.squish,
    "strip_newlines": string.strip_newlines,
    "escape": string.escape,
    "remove": string.remove,
    "remove_first": string.remove_first,
    "remove_last": string.remove_last,
    "replace": replace,
    "replace_first": string.replace_first,
    "replace_last": string.replace_last,
    "split": string.split,
    "truncate": string.truncate,
    "truncatewords": string.truncatewords,
    "url_encode": string.url_encode,
    "url_decode": string.url_decode,
    "base64_encode": string.base64_encode,
    "base64_decode": string.base64_decode,
    "slice": string.slice_,
    "abs": math.abs_,
    "at_least": math.at_least,
    "at_most": math.at_most,
    "ceil": math.ceil,
    "divided_by": math.divided_by,
    "floor": math.floor,
    "minus": math.minus,
    "modulo": math.modulo,
    "plus": math.plus,
    "round": math.round_,
    "times": math.times,
    "compact": array.compact,
    "concat": array.concat,
    "find": array.find,
    "find_index": array.find_index,
    "first": array.first,
    "has": array.has,
    "join": join,
    "last": array.last,
    "map": array.map_,
    "reject": array.reject,
    "reverse": array.reverse,
    "sort": array.sort,
    "sort_natural": array.sort_natural,
    "sum": array.sum_,
    "uniq": uniq,
    "where": array.where,
    "date": date,
    "default": misc.default,
    "json": json,
    "size": misc.size,
}
TEXT_FILTERS = frozenset(list(FILTERS)[: list(FILTERS).index("slice")])
"""Those that work on a text: what they are given becomes one as it would stand in the output."""
