"""The templates' grammar: Liquid, and M7's short forms, mapped onto one form that Liquid reads.

    ${path}           {{ path }}              @{for x in y}   {% for x in y %}
    @{if x}           {% if x %}              @{end for}      {% endfor %}
    @{else if x}      {% elsif x %}           @{else}         {% else %}
    @{end if}         {% endif %}

Delimiters become characters that no template may contain, so that neither braces of JSON beside
an expression nor anything in an event's data can ever be taken for one.
"""

import re
from collections.abc import Iterator

OPEN, CLOSE, TAG, END_TAG = "\ue000", "\ue001", "\ue002", "\ue003"
"""Beginning and end of an expression and of a tag, as Liquid gets them."""
MAX_EXPRESSION = 1_000
TAGS = frozenset(
    {"if", "elsif", "else", "endif", "unless", "endunless", "case", "when", "endcase"}
    | {"for", "endfor", "break", "continue", "assign", "capture", "endcapture"}
    | {"comment", "endcomment", "raw", "endraw", "#"}
)
"""None of them reads a file, another template or anything but the delivery."""

_BEGINS = ("{{", "{%", "${", "@{")
_BEGIN = re.compile(r"\{\{|\{%|\$\{|@\{")
# Possessive: a quote that is not closed must not be looked for from every place before it.
_EXPRESSION = re.compile(r"""\{\{((?:"[^"]*"|'[^']*'|[^"'}]|\}(?!\}))*+)\}\}""", re.S)
_TAG = re.compile(r"""\{%((?:"[^"]*"|'[^']*'|[^"'%]|%(?!\}))*+)%\}""", re.S)
_SHORT = re.compile(r"""[$@]\{((?:"[^"]*"|'[^']*'|[^"'}])*+)\}""", re.S)
_COMMENT = re.compile(r"\{%-?\s*#[^%}]*%\}")
_END_RAW = re.compile(r"\{%-?\s*endraw\s*-?%\}")
_NAME = re.compile(r"-?\s*(#|\w*)")
_BLOCK = re.compile(r"(else\s+if|else|end\s+if|end\s+for|if|for)\b\s*(.*)", re.S)
_BLOCKS = {"else if": "elsif", "end if": "endif", "end for": "endfor"}
_WITH_MORE = frozenset(("if", "elsif", "for"))


class TemplateError(Exception):
    """A template, or what it was given, is at fault; the text says how, for people."""


def has_expressions(text: str) -> bool:
    """Whether the text is a template, and not just a text."""
    return any(begin in text for begin in _BEGINS)


def before_expressions(text: str) -> str:
    """The part of a template that stands before its first expression or tag."""
    found = _BEGIN.search(text)
    return text[: found.start()] if found else text


def canonical(text: str) -> str:
    """The template with our delimiters. Raises `TemplateError` with the line that is at fault."""
    if any(mark in text for mark in (OPEN, CLOSE, TAG, END_TAG)):
        raise TemplateError("a character between U+E000 and U+E003 cannot stand in a template")
    return "".join(_pieces(text))


def _pieces(text: str) -> Iterator[str]:
    at = 0
    while found := _BEGIN.search(text, at):
        yield text[at : found.start()]
        piece, at = _piece(text, found.start())
        yield piece
    yield text[at:]


def _piece(text: str, at: int) -> tuple[str, int]:
    """What stands at `at`, in Liquid, and where it ends."""
    begin = text[at : at + 2]
    comment = _COMMENT.match(text, at) if begin == "{%" else None
    if comment is not None:
        return "", comment.end()
    found = {"{{": _EXPRESSION, "{%": _TAG}.get(begin, _SHORT).match(text, at)
    if found is None:
        raise _fault(text, at, f"`{begin}` is not closed, or a quote after it is not")
    inner = found[1].strip()
    if len(inner) > MAX_EXPRESSION:
        raise _fault(text, at, f"longer than {MAX_EXPRESSION} characters")
    if begin == "{%":
        return _tag(text, at, inner, found.end())
    if begin == "@{":
        return f"{TAG} {_block(text, at, inner)} {END_TAG}", found.end()
    if not inner.strip("-"):
        raise _fault(text, at, f"nothing stands between `{begin}` and its end")
    return _wrapped(OPEN, inner, CLOSE), found.end()


def _tag(text: str, at: int, inner: str, end: int) -> tuple[str, int]:
    name = _NAME.match(inner)
    word = name[1] if name else ""
    if word not in TAGS:
        known = ", ".join(sorted(tag for tag in TAGS if tag.isalpha() and tag[:3] != "end"))
        raise _fault(text, at, f"no tag {word[:40]!r}; there are {known}")
    if word != "raw":
        return _wrapped(TAG, inner, END_TAG), end
    closing = _END_RAW.search(text, end)
    if closing is None:
        raise _fault(text, at, "`raw` is not closed by `endraw`")
    return text[end : closing.start()], closing.end()


def _wrapped(begin: str, inner: str, end: str) -> str:
    # A dash at either end belongs to the delimiter: it takes the spaces beside it away.
    left = "-" if inner.startswith("-") else ""
    right = "-" if inner.endswith("-") and len(inner) > 1 else ""
    core = inner.removeprefix("-").removesuffix("-").strip()
    return f"{begin}{left} {core} {right}{end}"


def _block(text: str, at: int, inner: str) -> str:
    found = _BLOCK.fullmatch(inner)
    name = " ".join(found[1].split()) if found else ""
    tag, more = _BLOCKS.get(name, name), found[2].strip() if found else ""
    if not found or bool(more) is not (tag in _WITH_MORE):
        known = "if x, else if x, else, end if, for x in y, end for"
        raise _fault(text, at, f"`@{{{inner[:40]}}}` is no block; there are {known}")
    return f"{tag} {more}".strip()


def _fault(text: str, at: int, what: str) -> TemplateError:
    line = text.count("\n", 0, at) + 1
    return TemplateError(f"line {line}: {what}")
