"""How fast what waits is sent beside the live events: pure arithmetic."""

from collections import Counter
from collections.abc import Sequence

from hookstream.model.records import Webhook

_SHARE = 0.5
"""Of a lane's rate, for all that is sent beside its live events."""
_BEHIND_PER_S = 1.0
"""What a receiver that is behind gets of it: else one that never catches up would get nothing."""
_AT_ONCE = 4
"""For each request that it may have open: as many as wait in memory for it, and so keep their
order (decision 5)."""


class Pace:
    """Turns deliveries a second into whole deliveries a round; fractions are kept."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._kept: dict[str, float] = {}

    def round(self, webhooks: Sequence[Webhook]) -> dict[str, float]:
        """What each of them may get a second, of which those of one lane share its rate."""
        lanes = Counter(webhook.lane for webhook in webhooks)
        ids = {webhook.id for webhook in webhooks}
        self._kept = {id_: kept for id_, kept in self._kept.items() if id_ in ids}
        return {webhook.id: self._of(webhook, lanes[webhook.lane]) for webhook in webhooks}

    def whole(self, webhook: Webhook, per_s: float, behind: bool, over_s: float) -> int:
        """How many it gets in a round that stands for so many seconds."""
        now = min(per_s, _BEHIND_PER_S) if behind else per_s
        had = self._kept.get(webhook.id, 0.0) + now * over_s
        self._kept[webhook.id] = had % 1
        return min(int(had), _AT_ONCE * webhook.max_in_flight)

    def _of(self, webhook: Webhook, sharing: int) -> float:
        if webhook.rate_per_s is None:
            return self._per_s
        return min(self._per_s, webhook.rate_per_s * _SHARE / sharing)
