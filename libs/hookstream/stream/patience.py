"""Patience: for which unknown schemas a loop stands still. Pure: told the time, never asks for it.

A writer announces its schema before its first record, so one that is late comes in a moment. Bytes
that only look like a record name a schema that never comes: whoever writes such to a topic could
hold its readers up for ever, were each of them waited for.
"""

PAUSE_S = 300.0
"""After a wait in vain none is waited for during so long: config is read to its end, no more."""
_MOST_GIVEN_UP = 10_000


class Patience:
    """Remembers the schemas that were waited for in vain, the latest few thousand of them."""

    def __init__(self) -> None:
        self._given_up: dict[str, None] = {}
        self._again_at = 0.0

    def is_given_up(self, schema: str) -> bool:
        """Whether this schema was waited for: then nobody is asked for it any more."""
        return schema in self._given_up

    def waits(self, now: float) -> bool:
        """Whether a schema that nobody knows yet is waited for (`now`: seconds, monotonic)."""
        return now >= self._again_at

    def in_vain(self, schema: str, now: float) -> None:
        """It was waited for as long as any is, and did not come."""
        self._given_up[schema] = None
        if len(self._given_up) > _MOST_GIVEN_UP:
            del self._given_up[next(iter(self._given_up))]
        self._again_at = now + PAUSE_S
