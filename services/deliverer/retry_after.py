"""Retry-After (RFC 9110 10.2.3): how long a receiver asks us to wait."""

import re
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"\d{1,9}", re.ASCII)


def retry_after_ms(raw: str, now_ms: int) -> int:
    """Milliseconds from now; 0 for a date gone by and for what cannot be read."""
    text = raw.strip()
    if _SECONDS.fullmatch(text):
        return int(text) * 1000
    try:
        at_ms = int(parsedate_to_datetime(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
    return max(0, at_ms - now_ms)
