"""How much a template may do: every step is counted, so that its end does not hang on its data.

A step is about a microsecond, two where it is data that is walked. Counted are the parts of the
template, once and once more for each turn of each loop around them, and the size of every value
that is looked up or goes through a filter. No clock: the same template and event always end alike.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from liquid import BoundTemplate, RenderContext, Token
from liquid.undefined import UNDEFINED
from liquid.utils import ReadOnlyChainMap

from hookstream.model.escape import text_of
from hookstream.model.template_filters import FILTERS, MAX_TEXT, TEXT_FILTERS
from hookstream.model.template_syntax import TemplateError

MAX_STEPS = 50_000
"""All that the rendering of one request may take, URL, headers and body together: measured, a tenth
of a second of the processor at the very worst; an ordinary body takes a few hundred steps."""
MAX_ITEMS = 20_000
MAX_BITS = 1_024
_TRANSACTION = ["WebhookRequest", "TransactionalId"]
_FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What filters raise over values that they were not made for."""


class Steps:
    """What is left of a request's steps."""

    __slots__ = ("left",)

    def __init__(self, left: int = MAX_STEPS) -> None:
        self.left = left

    def spend(self, steps: int) -> None:
        """Take some. Raises `TemplateError` where there are too few."""
        self.left -= steps
        if self.left < 0:
            raise TemplateError(f"takes more than {MAX_STEPS} steps; loop over less")


class Scope(RenderContext):
    """What a template sees, and what it may still do."""

    __slots__ = ("per_turn", "steps", "touched", "used")

    def __init__(self, template: BoundTemplate, values: Mapping[str, object], steps: Steps) -> None:
        super().__init__(template, globals=values)
        # Without Liquid's own `now` and `today`: a request depends on its delivery alone.
        self.scope = ReadOnlyChainMap(self.locals, self.globals)
        self.steps = steps
        self.per_turn = 1
        self.touched = False
        """The transaction id was looked up since this was last set to False."""
        self.used = False
        """The transaction id was written into the output."""

    def get(
        self, path: list[object], *, token: Token | None, default: object = UNDEFINED
    ) -> object:
        value = super().get(path, token=token, default=default)
        self.steps.spend(1 + weight(value, self.steps.left))
        if path == _TRANSACTION:
            self.touched = True
        return value

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self.steps.spend(length * self.per_turn)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:  # noqa: ARG002
        return partial(self._filtered, name)

    def _filtered(self, name: str, left: object, *given: Any, **named: Any) -> object:
        function = FILTERS[name]
        args = [text_of(a) if name in TEXT_FILTERS and not _plain(a) else a for a in given]
        steps = self.steps
        steps.spend(3 + sum(weight(value, steps.left) for value in (left, *args)))
        if getattr(function, "with_environment", False):
            named["environment"] = self.env
        try:
            made = function(text_of(left) if name in TEXT_FILTERS else left, *args, **named)
        except _FAULTS as error:
            raise TemplateError(f"filter {name}: {error}"[:300]) from error
        steps.spend(weight(made, steps.left))
        _check_size(name, made)
        return made


def weight(value: object, most: int) -> int:
    """Steps that a value of its size is worth; no more than a little above `most` is counted."""
    if isinstance(value, str):
        return len(value) >> 6
    if not isinstance(value, dict | list | tuple):
        return 0
    units, ceiling, stack = 0, most << 2, [value]
    while stack and units <= ceiling:
        inner = stack.pop()
        units += len(inner) + 3
        if isinstance(inner, dict):
            units += sum(map(len, inner)) >> 4
        for item in inner.values() if isinstance(inner, dict) else inner:
            if isinstance(item, str):
                units += len(item) >> 4
            elif isinstance(item, dict | list | tuple):
                stack.append(item)
    return units >> 2


def _plain(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def _check_size(name: str, made: object) -> None:
    if isinstance(made, str):
        fits = len(made) <= MAX_TEXT
    elif isinstance(made, list | tuple):
        fits = len(made) <= MAX_ITEMS
    else:
        fits = not isinstance(made, int) or made.bit_length() <= MAX_BITS
    if not fits:
        raise TemplateError(f"filter {name}: what it makes is too large")
