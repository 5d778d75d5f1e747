"""What `Lanes` keeps of a turn, of a webhook and of a lane. Plain memory, changed only there."""

from collections import OrderedDict, deque

from hookstream.model.records import Delivery, Webhook
from services.deliverer.health import Health

KEPT_BELOW_RATE = 0.98
"""The share of a rate that is used: receivers' clocks are not ours (M2)."""
CATCH_UP_MS = 5.0
"""A request that went out later than its slot does not delay those behind it, up to so much. Within
any second that stays below what `KEPT_BELOW_RATE` leaves."""
WAIT_LIST_S = 0.9
"""So much of its rate may wait in memory: nobody does for longer than a second."""
TAKEN_OVER_MS = 1_000
"""A lane just taken over waits: the owner before may still have sent within its rate."""


class Turn:
    """One delivery on its way through `Lanes`."""

    __slots__ = (
        "at_ms",
        "context",
        "delivery",
        "endpoint",
        "is_open",
        "is_slow",
        "is_waiting",
        "since_ms",
        "size",
        "webhook",
    )

    def __init__(
        self,
        webhook: Webhook,
        delivery: Delivery,
        size: int,
        context: object = None,
        since_ms: int = 0,
    ) -> None:
        self.since_ms = since_ms
        """Since when its partition, and so its lane, has been this process's."""
        self.webhook = webhook
        self.delivery = delivery
        self.size = size
        self.context = context
        self.endpoint: Endpoint | None = None
        self.at_ms = 0
        """When it was sent, or began to wait."""
        self.is_open = False
        self.is_slow = False
        self.is_waiting = False


class Lane:
    """What shares a rate."""

    __slots__ = (
        "count",
        "endpoints",
        "horizon_ms",
        "id",
        "interval_ms",
        "last_ms",
        "next_free_ms",
        "rate_per_s",
        "room",
        "since_ms",
        "waiting",
        "wakes",
    )

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.rate_per_s: float | None = None
        self.since_ms = 0
        self.interval_ms = 0.0
        self.last_ms: float = 0.0
        """The slot of the last request, in fractions: a fast lane would lose by each rounding."""
        self.next_free_ms: float = 0.0
        self.horizon_ms: float = 0.0
        self.room: float = float("inf")
        self.count = 0
        self.endpoints = 0
        self.waiting: OrderedDict[str, Endpoint] = OrderedDict()
        self.wakes = False

    def set_rate(self, rate_per_s: float | None, since_ms: int) -> None:
        """The rate as configured now (None: no limit), and since when the lane has been ours."""
        self.since_ms = max(self.since_ms, since_ms)
        if rate_per_s != self.rate_per_s:
            self.rate_per_s = rate_per_s
            self.interval_ms = 0.0 if rate_per_s is None else 1000 / (rate_per_s * KEPT_BELOW_RATE)
            self.room = float("inf") if rate_per_s is None else max(1.0, rate_per_s * WAIT_LIST_S)
            self.horizon_ms = 0.0  # what was booked would come back too late to fill a faster lane
        if self.interval_ms:
            taken_over_ms = self.since_ms + max(TAKEN_OVER_MS, self.interval_ms)
            self.next_free_ms = max(self.last_ms + self.interval_ms, taken_over_ms)
        else:
            self.next_free_ms = 0.0

    def took_one(self, now_ms: int) -> None:
        """A request went out: the next has to keep its distance."""
        if self.interval_ms:
            self.last_ms = max(self.next_free_ms, now_ms - CATCH_UP_MS)
            self.next_free_ms = self.last_ms + self.interval_ms

    @property
    def booked_ms(self) -> float:
        """Up to when its time is promised, to those who wait in memory too."""
        return max(self.horizon_ms, self.next_free_ms + self.count * self.interval_ms)

    def book(self, endpoint: "Endpoint", until_ms: float, now_ms: int) -> None:
        """One more slot is promised; of the webhook's own time too, where that is shorter."""
        if self.interval_ms:
            self.horizon_ms = max(self.booked_ms, now_ms) + self.interval_ms
        if until_ms > self.horizon_ms:
            endpoint.horizon_ms = max(endpoint.horizon_ms, until_ms)


class Endpoint:
    """One webhook."""

    __slots__ = (
        "_mean_ms",
        "health",
        "horizon_ms",
        "id",
        "in_flight",
        "is_suspect",
        "lane",
        "slow",
        "used_ms",
        "waiting",
        "waiting_bytes",
    )

    def __init__(self, id_: str, lane: Lane) -> None:
        self.id = id_
        self.lane = lane
        self.health = Health()
        self.in_flight = 0
        self.slow = 0
        self.is_suspect = False
        self.waiting: deque[Turn] = deque()
        self.waiting_bytes = 0
        self.horizon_ms: float = 0.0
        self.used_ms = 0
        self._mean_ms: float | None = None

    def took(self, duration_ms: int) -> None:
        """One more answer, for the mean that a wait is estimated by."""
        mean = self._mean_ms
        self._mean_ms = duration_ms if mean is None else mean + (duration_ms - mean) / 8

    def pace_ms(self, ceiling: int) -> float | None:
        """Milliseconds a request in the long run: by rate, or by mean answer and limit.

        A limit that was never cut is still growing: its ceiling is the better estimate.
        """
        limit = self.health.limit if self.health.is_cut else ceiling
        own = None if self._mean_ms is None else self._mean_ms / max(1, limit)
        if self.lane.interval_ms:
            return max(self.lane.interval_ms, own or 0.0)
        return own
