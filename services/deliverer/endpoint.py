"""What `Lanes` keeps of a turn, of a webhook and of a lane. Plain memory, changed only there."""

from collections import OrderedDict, deque
from collections.abc import Iterator

from hookstream.model.records import Delivery, Webhook
from services.deliverer.answer import Answer
from services.deliverer.health import START, Health, learn, rested
from services.deliverer.shares import UNPROVEN, rank_of

KEPT_BELOW_RATE = 0.98
"""The share of a rate that is used: receivers' clocks are not ours (M2)."""
CATCH_UP_MS = 5.0
"""A request that went out later than its slot does not delay those behind it, up to so much. Within
any second that stays below what `KEPT_BELOW_RATE` leaves."""
WAIT_LIST_S = 0.9
"""So much of its rate may wait in memory: nobody does for longer than a second."""
TAKEN_OVER_MS = 1_000
"""A lane just taken over waits: the owner before may still have sent within its rate."""
UNUSED_MS = 1_000
"""A limit of which less than half was used for this long is halved."""
KNOWN_MS = 60_000
"""A webhook without deliveries for this long is unproven again."""


class Turn:
    """One delivery on its way through `Lanes`."""

    __slots__ = (
        "at_ms",
        "context",
        "delivery",
        "endpoint",
        "is_late",
        "is_open",
        "is_silent",
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
        self.is_late = False
        """Open for longer than a fast webhook's may be."""
        self.is_silent = False
        """Open for so long that its webhook is a suspect."""
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


_NOBODY: deque[Turn] = deque(maxlen=0)
"""Where nobody ever waited: an empty list of its own would be half of what a webhook takes up."""


class Endpoint:
    """One webhook."""

    __slots__ = (
        "health",
        "horizon_ms",
        "id",
        "in_flight",
        "lane",
        "late",
        "mean_ms",
        "needed_ms",
        "out_since_ms",
        "rank",
        "ring",
        "silent",
        "used_ms",
        "waiting",
        "waiting_bytes",
    )

    def __init__(self, id_: str, lane: Lane) -> None:
        self.id = id_
        self.lane = lane
        self.health = Health()
        self.rank = UNPROVEN
        self.out_since_ms = 0
        """Of a suspect: when it last showed a sign of life, or was first suspected, by a clock that
        stands still when this process does."""
        self.in_flight = 0
        self.late = 0
        self.silent = 0
        self.waiting: deque[Turn] = _NOBODY
        self.waiting_bytes = 0
        self.ring: OrderedDict[str, Endpoint] | None = None
        """Where it waits for a slot."""
        self.horizon_ms: float = 0.0
        self.used_ms = 0
        self.needed_ms = 0
        """When at least half of its limit was last in use."""
        self.mean_ms: float | None = None
        """What its answers take; None: not known."""

    def keep(self, turn: Turn) -> None:
        """One more waits, behind all others."""
        if self.waiting is _NOBODY:
            self.waiting = deque()
        self.waiting.append(turn)
        self.waiting_bytes += turn.size

    def learn(self, answer: Answer, ceiling: int, now_ms: int) -> None:
        """Take an answer to one of its requests, which is still counted as in flight."""
        limit = self.health.limit
        is_used = self.in_flight >= min(limit, ceiling) or bool(self.waiting)
        self.health = learn(self.health, answer, ceiling, now_ms, is_used)
        if answer.status is not None:
            took, mean = answer.duration_ms, self.mean_ms
            self.mean_ms = took if mean is None else mean + (took - mean) / 8
        if is_used or 2 * self.in_flight >= limit:
            self.needed_ms = now_ms
        elif now_ms - self.needed_ms >= UNUSED_MS:
            self.health, self.needed_ms = rested(self.health), now_ms

    def use(self, now_ms: int) -> None:
        """A delivery for it came. After a minute without, what was good is known no more."""
        if now_ms - self.used_ms >= KNOWN_MS and not self.in_flight:
            self.mean_ms = None
            if self.health.limit > START:
                self.health = Health(not_before_ms=self.health.not_before_ms)
            self.rank = rank_of(self.health, None, 0, 0)
        self.used_ms = now_ms

    def is_busy(self, now_ms: int) -> bool:
        """Whether `admit` can only say Wait to who waits: all is in use, and gets its answers."""
        health = self.health
        return (
            self.in_flight >= max(START, health.limit)
            and health.limit >= START
            and health.not_before_ms <= now_ms
            and not self.silent
            and self.lane.next_free_ms <= now_ms
        )

    def pace_ms(self, ceiling: int, has_slot: bool) -> float | None:
        """Milliseconds a request in the long run: by rate, or by mean answer and limit.

        A limit that was never cut is still growing: its ceiling is the better estimate; where the
        slots of its rank are used up, what it has of them.
        """
        limit = self.health.limit if self.health.is_cut else ceiling
        if not has_slot:
            limit = min(limit, self.in_flight)
        own = None if self.mean_ms is None else self.mean_ms / max(1, limit)
        if self.lane.interval_ms:
            return max(self.lane.interval_ms, own or 0.0)
        return own


def open_since(turns: deque[Turn], at_ms: int) -> Iterator[Turn]:
    """Take those from the front that are over, or were opened at that time or before; the open."""
    while turns and (not turns[0].is_open or turns[0].at_ms <= at_ms):
        turn = turns.popleft()
        if turn.is_open:
            yield turn
