"""PromQL, as far as our queries use it: which series it asks for, and which labels it yields.

`labels(query, series)` reads a query as Prometheus does and follows the labels through selectors,
functions, operators and aggregations. `Unknown` is raised for a metric, a label or a value that no
series has.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

Series = tuple[str, dict[str, str]]

_TOKEN = re.compile(
    r"""\s+|(?P<duration>\d+(?:ms|[smhdwy])(?![a-z]))|(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)
    |(?P<word>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<text>"(?:[^"\\]|\\.)*")
    |(?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^(){}\[\],=<>:])""",
    re.VERBOSE,
)
_AGGREGATIONS = {"sum", "max", "min", "avg", "count", "topk", "bottomk", "quantile", "group"}
_BINARY = {"+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"}
_FUNCTIONS = {
    "rate", "increase", "irate", "delta", "histogram_quantile", "absent", "vector", "clamp_min",
    "clamp_max", "max_over_time", "sum_over_time", "time",
}  # fmt: skip


class Unknown(Exception):
    """A metric or label that no series has, or what is no PromQL of ours."""


class _Token(NamedTuple):
    kind: str
    text: str


def labels(query: str, series: Sequence[Series]) -> set[str]:
    """The labels of what `query` yields over `series`."""
    parser = _Parser(_tokens(query), series, query)
    found = parser.expression()
    parser.expect("end")
    return found


def _tokens(query: str) -> list[_Token]:
    tokens, at = [], 0
    while at < len(query):
        match = _TOKEN.match(query, at)
        if match is None:
            raise Unknown(f"{query[at : at + 20]!r} in {query}")
        at = match.end()
        if match.lastgroup:
            tokens.append(_Token(match.lastgroup, match[0]))
    return [*tokens, _Token("end", "")]


class _Parser:
    def __init__(self, tokens: list[_Token], series: Sequence[Series], query: str) -> None:
        self._tokens, self._series, self._query = tokens, series, query
        self._at = 0

    def expression(self) -> set[str]:
        """Operands with operators between them; their rank changes no label."""
        found = self._operand()
        while self._peek().text in _BINARY:
            self._next()
            named = self._modifiers()
            right = self._operand()
            self._check(named, found | right)
            found |= right
        return found

    def expect(self, text: str) -> None:
        """The next token is this one, or the end."""
        token = self._next()
        if text not in (token.text, token.kind):
            raise Unknown(f"{text!r} expected, not {token.text!r} in {self._query}")

    def _operand(self) -> set[str]:
        token = self._next()
        if token.text == "-":
            return self._operand()
        if token.text == "(":
            found = self.expression()
            self.expect(")")
            return self._ranged(found)
        if token.kind in ("number", "text"):
            return set()
        if token.kind != "word":
            raise Unknown(f"{token.text!r} in {self._query}")
        if token.text in _AGGREGATIONS and self._peek().text in ("(", "by", "without"):
            return self._aggregation(whole=token.text in ("topk", "bottomk"))
        if token.text in _FUNCTIONS and self._peek().text == "(":
            return self._function(token.text)
        return self._ranged(self._selector(token.text))

    def _aggregation(self, *, whole: bool) -> set[str]:
        """`whole`: series are chosen, not summed, and keep all their labels."""
        how, named = self._grouping()
        found: set[str] = set().union(*self._arguments())
        if how is None:
            how, named = self._grouping()
        self._check(named, found)
        if whole:
            return found
        return found - named if how == "without" else (named if how else set())

    def _function(self, name: str) -> set[str]:
        if name == "absent":
            return self._absent()
        found: set[str] = set().union(*self._arguments())
        if name == "histogram_quantile":
            self._check({"le"}, found)
            found = found - {"le"}
        return found

    def _absent(self) -> set[str]:
        """Yields the labels that its selector gives by `=`, which must be there in good days."""
        return set().union(*self._arguments())

    def _arguments(self) -> list[set[str]]:
        self.expect("(")
        found = []
        while self._peek().text != ")":
            found.append(self.expression())
            if self._peek().text == ",":
                self._next()
        self.expect(")")
        return found

    def _grouping(self) -> tuple[str | None, set[str]]:
        if self._peek().text not in ("by", "without"):
            return None, set()
        return self._next().text, self._names()

    def _modifiers(self) -> set[str]:
        named: set[str] = set()
        while self._peek().text in ("on", "ignoring", "group_left", "group_right", "bool"):
            if self._next().text != "bool" and self._peek().text == "(":
                named |= self._names()
        return named

    def _names(self) -> set[str]:
        self.expect("(")
        found = set()
        while (token := self._next()).text != ")":
            if token.text != ",":
                found.add(token.text)
        return found

    def _selector(self, metric: str) -> set[str]:
        there = [labels for name, labels in self._series if name == metric]
        if not there:
            raise Unknown(f"no metric {metric} in {self._query}")
        for label, sign, value in self._matchers():
            if not any(label in labels for labels in there):
                raise Unknown(f"{metric} has no label {label} in {self._query}")
            if sign == "=":
                there = [labels for labels in there if labels.get(label) == value]
            if not there:
                raise Unknown(f"{metric} has no {label}={value!r} in {self._query}")
        return {label for labels in there for label, value in labels.items() if value}

    def _matchers(self) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        if self._peek().text != "{":
            return found
        self._next()
        while (token := self._next()).text != "}":
            if token.text == ",":
                continue
            sign, value = self._next(), self._next()
            if token.kind != "word" or sign.text not in ("=", "!=", "=~", "!~"):
                raise Unknown(f"{token.text} {sign.text} in {self._query}")
            found.append((token.text, sign.text, value.text[1:-1]))
        return found

    def _ranged(self, found: set[str]) -> set[str]:
        if self._peek().text == "[":
            while self._next().text != "]":
                pass
        return found

    def _check(self, named: set[str], there: set[str]) -> None:
        if not named <= there:
            raise Unknown(f"no label {sorted(named - there)} in {self._query}")

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token
