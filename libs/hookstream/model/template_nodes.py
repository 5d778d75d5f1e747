"""Where a template's output goes, escaped by place, and the parts of Liquid that write it."""

import re
from collections.abc import Iterator
from typing import Literal, TextIO, cast

from liquid import Environment
from liquid.ast import Node
from liquid.builtin import content, illegal, output
from liquid.builtin.expressions import LoopExpression
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags import (
    assign_tag,
    capture_tag,
    case_tag,
    comment_tag,
    for_tag,
    if_tag,
    unless_tag,
)
from liquid.context import RenderContext
from liquid.mode import Mode
from liquid.output import LimitedStringIO
from liquid.stream import TokenStream

from hookstream.model import escape
from hookstream.model.escape import text_of
from hookstream.model.template_filters import FILTERS, MAX_TEXT
from hookstream.model.template_limits import MAX_STEPS, Scope
from hookstream.model.template_syntax import CLOSE, END_TAG, OPEN, TAG, TemplateError

Place = Literal["url", "header", "json", "form", "text"]
"""Where a template stands. Within `url` and `json` the text before a value says how it is escaped:
path or query, within quotes or not."""

MAX_PARTS = 10_000
"""Of a body's template: expressions, names, filters, texts. More are refused when saved."""
MAX_PARTS_OF_A_LINE = 300
"""Of a URL's, or of a header's."""
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


class _Text(content.ContentNode):
    """The template's own text."""

    __slots__ = ()

    def render_to_output(self, _: RenderContext, buffer: TextIO) -> int:
        return buffer.literal(self.text) if isinstance(buffer, Writing) else buffer.write(self.text)


class _Expression(output.OutputNode):
    """A value. What a `capture` collects is text, escaped once it is written itself."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        scope = cast(Scope, context)
        scope.touched = False
        value = self.expression.evaluate(context)
        if not isinstance(buffer, Writing):
            return buffer.write(text_of(value))
        scope.used |= scope.touched and bool(text_of(value))
        return buffer.value(value)


class _Bounded(LoopExpression):
    """A loop's range is counted before it is walked, even backwards."""

    __slots__ = ()

    def _to_iter(self, obj: object, context: RenderContext) -> tuple[Iterator[object], int]:
        if isinstance(obj, range) and (obj.stop - obj.start) > MAX_STEPS:
            raise TemplateError(f"a range of more than {MAX_STEPS}")
        return super()._to_iter(obj, context)


class _For(for_tag.ForNode):
    """A loop that knows what one turn of it is worth."""

    __slots__ = ("per_turn",)
    per_turn: int

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        cast(Scope, context).per_turn = self.per_turn
        return super().render_to_output(context, buffer)


class _TextTag(content.Literal):
    node_class = _Text


class _OutputTag(output.Output):
    node_class = _Expression


class _ForTag(for_tag.ForTag):
    node_class = _For

    def parse(self, stream: TokenStream) -> Node:
        node = cast(_For, super().parse(stream))
        given = node.expression
        node.expression = _Bounded(
            given.token,
            given.identifier,
            given.iterable,
            limit=given.limit,
            offset=given.offset,
            reversed_=given.reversed,
            cols=given.cols,
        )
        return node


class _IfTag(if_tag.IfTag):
    mode = Mode.STRICT


class _UnlessTag(unless_tag.UnlessTag):
    mode = Mode.STRICT


class _Liquid(Environment):
    """Liquid with the tags, filters and limits of ours, and nothing else."""

    output_stream_limit = MAX_TEXT
    suppress_blank_control_flow_blocks = False
    logical_not_operator = True

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:  # noqa: ARG002
        for tag in (
            *(_TextTag, _OutputTag, _ForTag, _IfTag, illegal.Illegal, _UnlessTag),
            *(case_tag.CaseTag, for_tag.BreakTag, for_tag.ContinueTag, assign_tag.AssignTag),
            *(capture_tag.CaptureTag, comment_tag.CommentTag),
        ):
            self.add_tag(tag)
        self.filters.update(FILTERS)


LIQUID = _Liquid(
    tag_start_string=TAG,
    tag_end_string=END_TAG,
    statement_start_string=OPEN,
    statement_end_string=CLOSE,
    tolerance=Mode.STRICT,
)


def texts(nodes: list[Node]) -> Iterator[str]:
    """All that is the template's own text, in order, whatever the conditions around it."""
    for part in _walk(nodes):
        if isinstance(part, _Text):
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
    if isinstance(part, _For):
        part.per_turn = 1 + _count(part.block)
        around = [part.expression, *([part.default] if part.default else [])]
        return part.per_turn + sum(map(_count, around))
    inner = list(_inner(part))
    for found in inner:
        if isinstance(found, RangeLiteral) and not isinstance(part, _Bounded):
            raise TemplateError("a range such as (1..5) stands in a `for` only")
    return 1 + (len(part.text) >> 8 if isinstance(part, _Text) else 0) + sum(map(_count, inner))


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
