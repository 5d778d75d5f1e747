"""JMESPath expressions over answers: checked when saved, bounded when evaluated.

Whoever writes an expression often runs the receiver as well, so both are taken to be hostile: what
could copy its input many times over is refused when it is saved, and each evaluation has steps to
spend. `to_string` and `join` are left out, as they make much out of little.
"""

from collections.abc import Mapping
from functools import lru_cache
from math import prod
from typing import Any

from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.parser import Parser
from jmespath.visitor import Options, TreeInterpreter

from hookstream.model.errors import Refusal

MAX_LENGTH = 512
MAX_DEPTH = 50
MAX_COPIES = 16
"""How often an expression may contain its input, such as `[@, @]`, which does twice."""
STEPS = 10_000
"""Of all expressions on one answer: some ten milliseconds at the worst."""
_SIZE_OF_A_STEP = 16
"""Items that a function looks at as long as a step takes."""

_FUNCTIONS = Functions()
KNOWN = frozenset(_FUNCTIONS.FUNCTION_TABLE) - {"to_string", "join"}
_FAULTS = (JMESPathError, ArithmeticError, ValueError, TypeError, LookupError, AttributeError)


class EvaluationError(Exception):
    """The expression cannot be evaluated on this answer; the text says why."""


class Budget:
    """Steps that the expressions of one answer share."""

    __slots__ = ("left",)

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Raises `EvaluationError` when all are spent."""
        self.left -= steps
        if self.left < 0:
            raise EvaluationError("takes too long on this answer")


def check_extract(extract: Mapping[str, str]) -> Refusal | None:
    """Whether each of a webhook's expressions, by the names of their values, may be saved."""
    refusals = (check_expression(text, f"extract.{name}") for name, text in extract.items())
    return next((refusal for refusal in refusals if refusal is not None), None)


def check_expression(text: str, field: str) -> Refusal | None:
    """Whether `text` is an expression that may be evaluated for each answer."""
    if len(text) > MAX_LENGTH:
        return _refused(field, f"is longer than {MAX_LENGTH} characters")
    try:
        tree = _parsed(text)
    except (JMESPathError, ValueError) as error:
        return _refused(field, f"is no JMESPath: {str(error).splitlines()[0][:200]}")
    except RecursionError:
        return _refused(field, "is nested too deeply")
    if _depth(tree) > MAX_DEPTH:
        return _refused(field, f"is nested more than {MAX_DEPTH} times")
    if _copies(tree) > MAX_COPIES:
        return _refused(field, f"could make its input more than {MAX_COPIES} times as large")
    return _check_calls(tree, field)


def evaluate(text: str, value: Any, budget: Budget) -> Any:
    """What the expression finds in `value`; None where it finds nothing.

    Raises `EvaluationError`, whatever the expression and the value are.
    """
    try:
        return _Bounded(budget).visit(_parsed(text), value)
    except _FAULTS as error:
        raise EvaluationError(
            (str(error).splitlines() or [type(error).__name__])[0][:200]
        ) from None
    except RecursionError:
        raise EvaluationError("is nested too deeply") from None


class _Bounded(TreeInterpreter):
    """Pays a step for each node it visits, and more for what looks at many items at once."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(Options(custom_functions=_FUNCTIONS))
        self._spend = budget.spend

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._spend(1)
        return super().visit(node, *args, **kwargs)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        flat = super().visit_flatten(node, value)
        self._pay_for(flat)
        return flat

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        arguments = [self.visit(child, value) for child in node["children"]]
        for argument in arguments:
            self._pay_for(argument)
        return _FUNCTIONS.call_function(node["value"], arguments)

    def _pay_for(self, value: Any) -> None:
        if isinstance(value, list | dict | str):
            self._spend(len(value) // _SIZE_OF_A_STEP)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> dict[str, Any]:
    tree: Any = Parser().parse(text).parsed
    return dict(tree)


def _inner(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [child for child in node["children"] if isinstance(child, dict)]


def _depth(node: dict[str, Any]) -> int:
    return 1 + max(map(_depth, _inner(node)), default=0)


def _copies(node: dict[str, Any]) -> int:
    """How often the result may contain its input: side by side adds, step by step multiplies."""
    inner = [_copies(child) for child in _inner(node)] or [1]
    kind = node["type"]
    if kind in ("multi_select_list", "multi_select_dict"):
        return sum(inner)
    if kind == "function_expression" and node["value"] != "map":
        return sum(inner) if node["value"] == "merge" else max(inner)
    if kind in ("or_expression", "and_expression", "comparator"):
        return max(inner)
    return prod(inner)


def _check_calls(node: dict[str, Any], field: str) -> Refusal | None:
    if node["type"] == "function_expression":
        name, given = node["value"], len(node["children"])
        if name not in KNOWN:
            return _refused(field, f"there is no function {name[:40]!r}", ", ".join(sorted(KNOWN)))
        wanted = _FUNCTIONS.FUNCTION_TABLE[name]["signature"]
        enough = given >= len(wanted) if wanted[-1].get("variadic") else given == len(wanted)
        if not enough:
            return _refused(field, f"{name}() takes {len(wanted)} arguments, not {given}")
    for child in _inner(node):
        if (refusal := _check_calls(child, field)) is not None:
            return refusal
    return None


def _refused(field: str, detail: str, hint: str = "such as `order.items[0].id`") -> Refusal:
    return Refusal(code="invalid_expression", field=field, detail=detail, hint=hint)
