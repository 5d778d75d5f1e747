"""Which URLs a webhook may have. Advice when saved; the defence is where the socket is opened.

That a URL never leaves for another host (M1) is no advice: it is checked when saved and again
when rendered, on the text itself, before any library has its own idea of it.
"""

import re
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import SplitResult, urlsplit

import idna
from msgspec import structs

from hookstream.model.errors import Refusal
from hookstream.model.template import Template, check_template
from hookstream.model.template_syntax import TemplateError, before_expressions, has_expressions

MAX_URL = 2048
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\\"<>^`{|}]")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ORIGIN = re.compile(r"[A-Za-z]+://[^/?#\\\s]+")
_DOTS = re.compile(r"/(?:\.|%2[Ee]){1,2}(?=[/?]|$)")
_BOTH_SLASHES = re.compile(r"[A-Za-z]+://[^/?#]+//")


def check_url(url: str, https_only: bool) -> Refusal | None:
    """Whether requests may go there: http(s), a host, no user, no fragment, ≤ 2,048 characters.

    Path and query may hold expressions (M6, M7); scheme, host and port never.
    """
    if len(url) > MAX_URL:
        return _refused(f"is longer than {MAX_URL} characters")
    if has_expressions(url):
        return _check_dynamic(url, https_only)
    return _check_text(url) or _check_static(url, https_only)


def check_part(root: str, part: str) -> Refusal | None:
    """Whether a webhook may add this to its integration's root (M1): it names no other host and
    leaves the root's path by no `..`. The whole is checked by `check_url` besides."""
    whole = root + part
    if not same_origin(root, whole):
        hint = "begin it with a slash, where the root does not end with one"
        return _refused("leads to another host than the integration's root", hint)
    if _DOTS.search(whole.partition("?")[0], len(origin(root))):
        return _refused("contains a step `.` or `..`", "write the path without it")
    if _BOTH_SLASHES.match(whole):
        return _refused("has a path that begins with two slashes", "leave one out")
    return None


def same_origin(root: str, whole: str) -> bool:
    """Whether `whole` has the very scheme, host and port of `root`, letter for letter."""
    begin = origin(root)
    return bool(begin) and whole.startswith(begin) and whole[len(begin) :][:1] in ("", "/", "?")


def origin(url: str) -> str:
    """Scheme, host and port of a URL, or of a template of one; empty where it has none."""
    found = _ORIGIN.match(before_expressions(url))
    return found[0] if found else ""


def check_rendered(begin: str, url: str) -> str | None:
    """What is wrong with a URL that was rendered, in words; None: nothing. `begin`: its origin."""
    if not same_origin(begin, url):
        return "leads to another host"
    if _UNSAFE.search(url) or _PERCENT.search(url) or "#" in url:
        return "contains a character that must be percent-encoded"
    if _DOTS.search(url.partition("?")[0], len(begin)):
        return "contains a step `.` or `..`"
    return "has a path that begins with two slashes" if _BOTH_SLASHES.match(url) else None


def _check_dynamic(url: str, https_only: bool) -> Refusal | None:
    begin = origin(url)
    if not begin or before_expressions(url)[len(begin) :][:1] not in ("/", "?"):
        hint = "write scheme, host and port out, and a slash after them"
        return _refused("has an expression in its scheme, host or port", hint)
    refusal = check_template(url, "url")
    if refusal is not None:
        return structs.replace(refusal, field="url")
    for piece in _pieces(url):
        refusal = _check_text(piece)
        if refusal is not None:
            return refusal
        if "#" in piece:
            return _refused("contains a fragment, which is never sent", "remove what follows #")
    if _DOTS.search(url.partition("?")[0], len(begin)):
        return _refused("contains a step `.` or `..`", "write the path without it")
    return _check_static(begin + "/", https_only)


def _pieces(url: str) -> list[str]:
    try:
        return Template(url, "url").texts()
    except TemplateError:
        return []


def _check_text(text: str) -> Refusal | None:
    if _UNSAFE.search(text) or _PERCENT.search(text):
        return _refused("contains a character that must be percent-encoded")
    return None


def _check_static(url: str, https_only: bool) -> Refusal | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return _refused("is not a URL")
    return _check_parts(parts, port, https_only)


def _check_parts(parts: SplitResult, port: int | None, https_only: bool) -> Refusal | None:
    if parts.scheme != "https" and (https_only or parts.scheme != "http"):
        return _refused("must begin with https://" + ("" if https_only else " or http://"))
    if "@" in parts.netloc:
        return _refused("contains a user or password", "send it in a private header")
    if parts.fragment:
        return _refused("contains a fragment, which is never sent", "remove what follows #")
    if port == 0 or parts.netloc.endswith(":"):
        return _refused("has no valid port")
    if not _is_host(parts.hostname or "", bracketed="[" in parts.netloc):
        return _refused("has no valid host name")
    return None


def _is_host(host: str, bracketed: bool) -> bool:
    if bracketed:
        return _is_ipv6(host)
    try:
        ascii_host = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return False
    return 0 < len(ascii_host) <= 253 and all(map(_LABEL.fullmatch, ascii_host.split(".")))


def _is_ipv6(host: str) -> bool:
    try:
        return IPv6Address(host).scope_id is None
    except AddressValueError:
        return False


def _refused(what: str, hint: str = "") -> Refusal:
    return Refusal(code="invalid_url", field="url", detail=f"the URL {what}", hint=hint)
