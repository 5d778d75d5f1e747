"""Which URLs a webhook may have. Advice when saved; the defence is where the socket is opened."""

import re
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import SplitResult, urlsplit

import idna

from hookstream.model.errors import Refusal

MAX_URL = 2048
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\\"<>^`{|}]")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def check_url(url: str, https_only: bool) -> Refusal | None:
    """Whether requests may go there: http(s), a host, no user, no fragment, ≤ 2,048 characters."""
    if len(url) > MAX_URL:
        return _refused(f"is longer than {MAX_URL} characters")
    if _UNSAFE.search(url) or _PERCENT.search(url):
        return _refused("contains a character that must be percent-encoded")
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
