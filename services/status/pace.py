"""How fast what waits is sent beside the live events: pure arithmetic, one round a second."""

from collections import Counter
from collections.abc import Sequence

from hookstream.model.records import Webhook

_SHARE = 0.5
"""Of a lane's rate, for all that is sent beside its live events."""
_BEHIND_PER_S = 1.0
"""What a receiver that is behind gets of it: else one that never catches up would get nothing."""


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

    def whole(self, webhook: str, per_s: float, behind: bool) -> int:
        """How many it gets this round."""
        now = min(per_s, _BEHIND_PER_S) if behind else per_s
        had = self._kept.get(webhook, 0.0) + now
        self._kept[webhook] = had % 1
        return int(had)

    def _of(self, webhook: Webhook, sharing: int) -> float:
        if webhook.rate_per_s is None:
            return self._per_s
        return min(self._per_s, webhook.rate_per_s * _SHARE / sharing)
