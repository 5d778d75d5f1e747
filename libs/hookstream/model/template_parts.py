"""The parts of a parsed template: counted, so that it is bounded, and checked past its grammar."""

from collections.abc import Iterator
from typing import cast

from liquid.ast import Node
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import RangeLiteral

from hookstream.model.template_filters import FILTERS
from hookstream.model.template_nodes import Bounded, For, Text
from hookstream.model.template_syntax import TemplateError

MAX_PARTS = 10_000
"""Of a body's template: expressions, names, filters, texts. More are refused when saved."""
MAX_PARTS_OF_A_LINE = 300
"""Of a URL's, or of a header's."""


def texts(nodes: list[Node]) -> Iterator[str]:
    """All that is the template's own text, in order, whatever the conditions around it."""
    for part in _walk(nodes):
        if isinstance(part, Text):
            yield part.text


def counted(nodes: list[Node]) -> int:
    """How many parts there are. Tells each loop what one turn of it is worth.

    Raises `TemplateError` for a filter that does not exist, and for a range outside of a loop.
    """
    return sum(map(_count, nodes))


def _count(part: object) -> int:
    if isinstance(part, Filter) and part.name not in FILTERS:
        known = ", ".join(sorted(FILTERS))
        raise TemplateError(f"no filter {part.name[:40]!r}; there are {known}")
    if isinstance(part, For):
        part.per_turn = 1 + _count(part.block)
        around = [part.expression, *([part.default] if part.default else [])]
        return part.per_turn + sum(map(_count, around))
    inner = list(_inner(part))
    for found in inner:
        if isinstance(found, RangeLiteral) and not isinstance(part, Bounded):
            raise TemplateError("a range such as (1..5) stands in a `for` only")
    return 1 + (len(part.text) >> 8 if isinstance(part, Text) else 0) + sum(map(_count, inner))


def _walk(parts: list[Node]) -> Iterator[object]:
    for part in parts:
        yield part
        yield from _walk(cast(list[Node], list(_inner(part))))


def _inner(part: object) -> Iterator[object]:
    """The parts of a part: whatever of Liquid's own it holds."""
    names = [name for cls in type(part).__mro__ for name in getattr(cls, "__slots__", ())]
    for name in names:
        value = getattr(part, name, None)
        for item in value if isinstance(value, list) else [value]:
            ours = type(item).__module__.partition(".")[0] in ("liquid", "hookstream")
            if ours and name != "token" and not isinstance(item, str):
                yield item
