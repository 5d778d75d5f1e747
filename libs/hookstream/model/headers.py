"""Which headers a user may set: refused when saved, and again when a request is rendered."""

import re

from hookstream.model.errors import Refusal

MAX_NAME = 128
MAX_VALUE = 4096
MAX_HEADERS = 32

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_FRAMING = frozenset(("host", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"))
_LENGTHS = frozenset(("content-length", "transfer-encoding"))
_OURS = ("proxy-", "webhook-")


def check_header(name: str, value: bytes, signature_header: str = "") -> Refusal | None:
    """Whether a webhook or integration may send this header (RFC 9110 5.1, 5.5)."""
    return check_name(name, signature_header) or check_value(name, value)


def check_name(name: str, signature_header: str = "") -> Refusal | None:
    """A token that neither frames the message nor stands for what we sign."""
    if len(name) > MAX_NAME or not _TOKEN.fullmatch(name):
        return _refused(name, "invalid_header_name", "is not a header name", "use A-Z a-z 0-9 -")
    lower = name.lower()
    if lower in _FRAMING or lower in _LENGTHS:
        return _refused(name, "header_not_allowed", "belongs to the connection", "leave it out")
    if lower.startswith(_OURS) or (signature_header and lower == signature_header.lower()):
        return _refused(name, "header_not_allowed", "is set by Hookstream", "use another name")
    return None


def check_value(name: str, value: bytes) -> Refusal | None:
    """Visible characters, spaces and tabs, at most 4,096 bytes, no space at either end."""
    if len(value) > MAX_VALUE:
        return _refused(name, "invalid_header_value", f"is longer than {MAX_VALUE} bytes", "")
    if not _VALUE.fullmatch(value):
        return _refused(name, "invalid_header_value", "contains a control character", "remove it")
    if value != value.strip(b" \t"):
        return _refused(name, "invalid_header_value", "begins or ends with a space", "trim it")
    return None


def _refused(name: str, code: str, what: str, hint: str) -> Refusal:
    shown = name[:MAX_NAME]
    return Refusal(code=code, field=f"headers.{shown}", detail=f"{shown!r} {what}", hint=hint)
