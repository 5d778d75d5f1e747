"""Templates (M7): checked when saved, rendered for each request, escaped by place, bounded.

What they see: `event`, the data's own fields, `properties`, `webhook.name` and
`WebhookRequest.TransactionalId`. What an event brings is a value, never a template.
"""

from collections.abc import Mapping

from liquid import BoundTemplate
from liquid.exceptions import LiquidError, LiquidInterrupt, ResourceLimitError

from hookstream.model.errors import Refusal
from hookstream.model.template_filters import MAX_TEXT
from hookstream.model.template_limits import Scope, Steps
from hookstream.model.template_nodes import LIQUID
from hookstream.model.template_parts import MAX_PARTS, MAX_PARTS_OF_A_LINE, counted, texts
from hookstream.model.template_syntax import TemplateError, canonical, has_expressions
from hookstream.model.template_writing import Place, Writing

__all__ = ["MAX_TEXT", "Place", "Rendered", "Steps", "Template", "TemplateError"]
__all__ += ["check_template", "has_expressions"]

_BODIES: frozenset[Place] = frozenset(("json", "form", "text"))
_FAULTS: tuple[type[Exception], ...] = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError),
    *(TypeError, ValueError),
)
"""What Liquid raises beside its own errors over values it was not made for."""


class Rendered(str):
    """A template's text, and whether the transaction id was written into it."""

    __slots__ = ("uses_transaction_id",)
    uses_transaction_id: bool


class Template:
    """A template of one place, parsed. Raises `TemplateError` where it cannot be."""

    __slots__ = ("_limit", "_parsed", "_place", "parts")

    def __init__(self, text: str, place: Place, limit: int = MAX_TEXT) -> None:
        self._place: Place = place
        self._limit = limit
        self._parsed = _parsed(text)
        self.parts = counted(self._parsed.nodes)
        most = MAX_PARTS if place in _BODIES else MAX_PARTS_OF_A_LINE
        if self.parts > most:
            raise TemplateError(f"has more than {most} parts: expressions, names, filters")

    def texts(self) -> list[str]:
        """The pieces that are the template's own text, in order, of all branches."""
        return list(texts(self._parsed.nodes))

    def render(self, values: Mapping[str, object], steps: Steps | None = None) -> Rendered:
        """The text. Raises `TemplateError` with what went wrong, in words.

        `steps`: what it may take, shared by all templates of one request.
        """
        scope = Scope(self._parsed, values, steps or Steps())
        writing = Writing(self._place, self._limit)
        try:
            scope.steps.spend(self.parts)
            for node in self._parsed.nodes:
                node.render(scope, writing)
        except ResourceLimitError:
            raise TemplateError(f"makes more than {self._limit} bytes") from None
        except LiquidError as error:
            raise TemplateError(_words(error)) from error
        except LiquidInterrupt as error:
            raise TemplateError(f"`{error}` outside of a loop") from error
        except _FAULTS as error:
            raise TemplateError(f"cannot be rendered: {error}"[:300]) from error
        made = Rendered(writing.getvalue())
        made.uses_transaction_id = scope.used
        return made


def check_template(text: str, place: Place) -> Refusal | None:
    """Whether a template may be saved for that place. Its field is `template`; name your own."""
    try:
        parsed = Template(text, place)
    except TemplateError as error:
        return Refusal(code="invalid_template", field="template", detail=f"template: {error}")
    if place == "json" and any(_dangles(piece) for piece in parsed.texts()):
        # It would escape the first character of a value, and let the rest out of its quotes.
        detail = "template: a backslash stands right before an expression"
        return Refusal(code="invalid_template", field="template", detail=detail)
    return None


def _parsed(text: str) -> BoundTemplate:
    source = canonical(text)
    try:
        return LIQUID.from_string(source)
    except LiquidError as error:
        raise TemplateError(_words(error)) from error


def _words(error: LiquidError) -> str:
    message = str(error.message)[:300]
    token = error.token
    if token is None or token.start_index < 0:
        return message
    line = token.source.count("\n", 0, token.start_index) + 1
    return f"line {line}: {message}"


def _dangles(piece: str) -> bool:
    return (len(piece) - len(piece.rstrip("\\"))) % 2 == 1
