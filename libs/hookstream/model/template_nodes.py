"""The parts of Liquid that templates have, those that write values by place among them."""

from collections.abc import Iterator
from typing import TextIO, cast

from liquid import Environment
from liquid.ast import Node
from liquid.builtin import content, illegal, output
from liquid.builtin.expressions import LoopExpression
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
from liquid.stream import TokenStream

from hookstream.model.escape import text_of
from hookstream.model.template_filters import FILTERS, MAX_TEXT
from hookstream.model.template_limits import MAX_STEPS, Scope
from hookstream.model.template_syntax import CLOSE, END_TAG, OPEN, TAG, TemplateError
from hookstream.model.template_writing import Writing


class Text(content.ContentNode):
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


class Bounded(LoopExpression):
    """A loop's range is counted before it is walked, even backwards."""

    __slots__ = ()

    def _to_iter(self, obj: object, context: RenderContext) -> tuple[Iterator[object], int]:
        if isinstance(obj, range) and (obj.stop - obj.start) > MAX_STEPS:
            raise TemplateError(f"a range of more than {MAX_STEPS}")
        return super()._to_iter(obj, context)


class For(for_tag.ForNode):
    """A loop that knows what one turn of it is worth."""

    __slots__ = ("per_turn",)
    per_turn: int

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        cast(Scope, context).per_turn = self.per_turn
        return super().render_to_output(context, buffer)


class _TextTag(content.Literal):
    node_class = Text


class _OutputTag(output.Output):
    node_class = _Expression


class _ForTag(for_tag.ForTag):
    node_class = For

    def parse(self, stream: TokenStream) -> Node:
        node = cast(For, super().parse(stream))
        given = node.expression
        node.expression = Bounded(
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
