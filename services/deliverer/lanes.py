"""Lanes: what one process knows of the lanes it owns. One of the five named memories.

Driven from one thread: no clock, no I/O, no tasks. Every method takes the time it is.
"""

from collections import OrderedDict, deque
from heapq import heappop, heappush

from hookstream.model.records import Delivery, Webhook
from hookstream.model.shards import ceiling_of, rate_of
from services.deliverer.admit import (
    WAIT_BYTES,
    WAIT_MS,
    Defer,
    Go,
    Plan,
    View,
    Wait,
    admit,
    fate,
    may_open,
    put_off,
)
from services.deliverer.answer import Answer
from services.deliverer.endpoint import Endpoint, Lane, Turn, open_since
from services.deliverer.health import Health, is_sign_of_life
from services.deliverer.known import Known
from services.deliverer.shares import FAST, FAST_MS, SUSPECT, Shares, rank_of

TICK_MS = 100
"""How often `tick` is to be called."""
SILENT_MS = 1_000
"""A request open for longer makes its webhook a suspect, unless its answers take half as long."""
PATIENCE = 8
"""So many times as long as this process itself is behind its clock, what is open or waits may be
late: it waits for the process several times before it is over."""
ALWAYS = 4
"""So many of a fast webhook may wait whatever else does; where that is too much, reading pauses."""

Decided = list[tuple[Turn, Plan]]
_Ring = OrderedDict[str, Endpoint]
_GO = Go()


class Lanes:
    """Admits turns within each lane's limits, and each rank within its share of the slots.

    `submit` answers at once. A turn told to Wait comes back later from `finished` or `tick`, with
    its plan: Go, or what became of it meanwhile. A turn that may Go counts as in flight until
    `finished`.

    As many may wait in memory as there are slots, half of them only for fast webhooks without a
    rate; and none, nor a lane with a rate, has more there than it leaves free.
    """

    def __init__(self, slots: int, max_waiting_bytes: int, max_known: int = 200_000) -> None:
        self._slots = slots
        self._max_waiting_bytes = max_waiting_bytes
        self._known = Known(max_known)
        self._young: deque[Turn] = deque()
        self._late: deque[Turn] = deque()
        self._entered: deque[Turn] = deque()
        self._wakes: list[tuple[float, str]] = []
        self._rings: list[_Ring] = [OrderedDict() for _ in range(FAST + 1)]
        """Who waits for a slot, by rank."""
        self._ticked_ms = 0
        self._behind_ms = 0
        self._awake_ms = 0  # time that passed while this process did not stand still
        self.shares = Shares(slots)
        self.waiting = 0
        self.waiting_bytes = 0

    @property
    def slots(self) -> int:
        """Requests that may be in flight."""
        return self._slots

    @property
    def in_flight(self) -> int:
        """Requests open."""
        return self.shares.in_flight

    @property
    def circuits_open(self) -> int:
        """Webhooks that get one probe a cool-down."""
        return self._known.circuits_open

    @property
    def is_full(self) -> bool:
        """Whether reading should pause: no slot is free, or too much waits in memory."""
        return self.in_flight >= self._slots or self.waiting_bytes >= self._max_waiting_bytes

    @property
    def most(self) -> int:
        """How many turns may be open or wait."""
        return 2 * self._slots

    def __len__(self) -> int:
        return len(self._known)

    def submit(self, turn: Turn, now_ms: int) -> Plan:
        """The plan for a turn that is due."""
        decided = fate(turn.webhook, turn.delivery)
        if decided is not None:
            return decided
        endpoint = self._known.endpoint(turn, now_ms)
        self._set_rate(endpoint.lane, turn)
        plan = self._admit(endpoint, turn, len(endpoint.waiting), now_ms)
        if type(plan) is Go:
            self._start(endpoint, turn, now_ms)
        elif type(plan) is Wait:
            self._keep(endpoint, turn, now_ms)
        return plan

    def finished(self, turn: Turn, answer: Answer | None, now_ms: int) -> Decided:
        """A turn's request is over; which others are decided by that. No answer: never sent."""
        endpoint = turn.endpoint
        if endpoint is None or not turn.is_open:
            raise ValueError("the turn is not in flight")
        if answer is not None:
            was_open = endpoint.health.is_open
            endpoint.learn(answer, ceiling_of(turn.webhook), now_ms)
            if is_sign_of_life(answer):
                endpoint.out_since_ms = self._awake_ms
            self._known.learned(endpoint, was_open)
        self._end(endpoint, turn)
        self._weigh(endpoint)
        decided = self._pump(endpoint, now_ms) if endpoint.waiting else []
        for rank in range(FAST, SUSPECT - 1, -1):
            if self._rings[rank]:
                decided += self._pump_ring(rank, now_ms)
        return decided

    def tick(self, now_ms: int) -> Decided:
        """What time alone decides; to be called every `TICK_MS` and at `next_wake_ms`."""
        self._notice_silence(now_ms)
        decided: Decided = []
        while self._wakes and self._wakes[0][0] <= now_ms:
            lane = self._known.lane(heappop(self._wakes)[1])
            if lane is not None:
                decided += self._pump_lane(lane, now_ms)
        decided += self._give_up(now_ms)
        self._known.forget(now_ms)
        return decided

    @property
    def next_wake_ms(self) -> float | None:
        """When a lane's rate next has room for one that waits."""
        return self._wakes[0][0] if self._wakes else None

    def health(self, webhook: str) -> Health:
        """What is known of a webhook."""
        return self._known.health(webhook)

    def close(self, turns: list[Turn]) -> None:
        """Forget turns of partitions that were taken away, in flight or waiting."""
        for turn in turns:
            endpoint = turn.endpoint
            if endpoint is None:
                continue
            if turn.is_open:
                self._end(endpoint, turn)
            elif turn.is_waiting:
                endpoint.waiting.remove(turn)
                self._unkeep(endpoint, turn)
            self._weigh(endpoint)

    # -- one turn ----------------------------------------------------------------------------

    def _admit(self, endpoint: Endpoint, turn: Turn, ahead: int, now_ms: int) -> Plan:
        webhook, delivery, health = turn.webhook, turn.delivery, endpoint.health
        in_flight = endpoint.in_flight
        has_slot = self.shares.has_slot(endpoint.rank, in_flight)
        at_once = not ahead and has_slot and endpoint.lane.next_free_ms <= now_ms
        if at_once and may_open(webhook, delivery, health, in_flight, now_ms):
            return _GO  # as `admit` would say, without a view of all the rest
        view = self._view(endpoint, ahead, turn, has_slot)
        return self._booked(endpoint, admit(webhook, delivery, health, view, now_ms), now_ms)

    def _booked(self, endpoint: Endpoint, plan: Plan, now_ms: int) -> Plan:
        if type(plan) is Defer and plan.booked_ms is not None:
            endpoint.lane.book(endpoint, plan.booked_ms, now_ms)
        return plan

    def _view(self, endpoint: Endpoint, ahead: int, turn: Turn, has_slot: bool) -> View:
        lane = endpoint.lane
        return View(
            in_flight=endpoint.in_flight,
            silent=endpoint.silent,
            out_ms=self._awake_ms - endpoint.out_since_ms if endpoint.rank == SUSPECT else 0,
            waiting=ahead,
            kept=turn.is_waiting,
            has_room=self._has_room(endpoint, turn.size),
            next_free_ms=lane.next_free_ms,
            horizon_ms=max(lane.booked_ms, endpoint.horizon_ms),
            pace_ms=endpoint.pace_ms(ceiling_of(turn.webhook), has_slot),
            patience_ms=WAIT_MS + PATIENCE * self._behind_ms,
            process_full=self._is_full_for(endpoint),
            has_slot=has_slot,
        )

    def _has_room(self, endpoint: Endpoint, size: int) -> bool:
        lane = endpoint.lane
        if endpoint.rank == FAST and not lane.interval_ms:
            if len(endpoint.waiting) < ALWAYS:
                return True
            most, most_bytes = self._slots, self._max_waiting_bytes // 2
        else:
            most, most_bytes = max(1, self._slots // 2), self._max_waiting_bytes // 4
        own = max(len(endpoint.waiting), lane.count if lane.interval_ms else 0)
        return (
            own < min(most - self.waiting, lane.room)
            and self.waiting_bytes < most_bytes
            and (endpoint.waiting_bytes + size <= WAIT_BYTES or not endpoint.waiting)
        )

    def _is_full_for(self, endpoint: Endpoint) -> bool:
        """Whether this process is the narrow place, not the webhook: it has no slot, or no time. To
        put a fast one off would cost what is missing; reading pauses where too much is open."""
        if self.in_flight >= self._slots:
            return True
        is_behind = PATIENCE * self._behind_ms >= WAIT_MS and not endpoint.lane.interval_ms
        is_fast = endpoint.rank == FAST and not endpoint.health.is_cut
        return is_behind and is_fast and self.waiting_bytes < self._max_waiting_bytes // 2

    def _start(self, endpoint: Endpoint, turn: Turn, now_ms: int) -> None:
        turn.endpoint, turn.is_open, turn.at_ms = endpoint, True, now_ms
        endpoint.in_flight += 1
        self.shares.opened(endpoint.rank)
        endpoint.lane.took_one(now_ms)
        self._young.append(turn)

    def _end(self, endpoint: Endpoint, turn: Turn) -> None:
        turn.is_open = False
        endpoint.in_flight -= 1
        self.shares.opened(endpoint.rank, -1)
        if turn.is_late:
            endpoint.late -= 1
            endpoint.silent -= turn.is_silent

    def _keep(self, endpoint: Endpoint, turn: Turn, now_ms: int) -> None:
        turn.endpoint, turn.is_waiting, turn.at_ms = endpoint, True, now_ms
        endpoint.keep(turn)
        endpoint.lane.count += 1
        endpoint.lane.waiting[endpoint.id] = endpoint
        self.waiting += 1
        self.waiting_bytes += turn.size
        self._entered.append(turn)
        self._queue(endpoint, now_ms)

    def _unkeep(self, endpoint: Endpoint, turn: Turn) -> None:
        turn.is_waiting = False
        endpoint.waiting_bytes -= turn.size
        endpoint.lane.count -= 1
        self.waiting -= 1
        self.waiting_bytes -= turn.size
        if not endpoint.waiting:
            endpoint.lane.waiting.pop(endpoint.id, None)
            self._unring(endpoint)

    # -- who is next -------------------------------------------------------------------------

    def _pump(self, endpoint: Endpoint, now_ms: int) -> Decided:
        """Decide the webhook's waiting turns, first come first served, till one must go on."""
        decided: Decided = []
        while endpoint.waiting and not endpoint.is_busy(now_ms):
            turn = endpoint.waiting[0]
            plan = self._admit(endpoint, turn, 0, now_ms)
            if type(plan) is Wait:
                self._queue(endpoint, now_ms)
                break
            endpoint.waiting.popleft()
            self._unkeep(endpoint, turn)
            if type(plan) is Go:
                self._start(endpoint, turn, now_ms)
            decided.append((turn, plan))
        return decided

    def _pump_lane(self, lane: Lane, now_ms: int) -> Decided:
        """The lane's rate has room again: its webhooks take turns."""
        lane.wakes = False
        decided: Decided = []
        for endpoint in list(lane.waiting.values()):
            if lane.next_free_ms > now_ms:
                self._wake(lane)
                break
            decided += self._pump(endpoint, now_ms)
            if endpoint.waiting:
                lane.waiting.move_to_end(endpoint.id)
        return decided

    def _wake(self, lane: Lane) -> None:
        if not lane.wakes:
            lane.wakes = True
            heappush(self._wakes, (lane.next_free_ms, lane.id))

    def _pump_ring(self, rank: int, now_ms: int) -> Decided:
        """Give those who wait for a slot a turn each, while there is one."""
        ring = self._rings[rank]
        decided: Decided = []
        for _ in range(min(len(ring), 8)):
            if not ring or self.shares.free(rank) <= 0:
                break
            endpoint = next(iter(ring.values()))
            self._unring(endpoint)
            decided += self._pump(endpoint, now_ms)
        return decided

    def _queue(self, endpoint: Endpoint, now_ms: int) -> None:
        """See to it that a waiting webhook is looked at again when what holds it up is over."""
        lane, head = endpoint.lane, endpoint.waiting[0]
        if lane.next_free_ms > now_ms:
            self._wake(lane)
        elif endpoint.ring is None and may_open(
            head.webhook, head.delivery, endpoint.health, endpoint.in_flight, now_ms
        ):
            endpoint.ring = self._rings[endpoint.rank]
            endpoint.ring[endpoint.id] = endpoint

    def _unring(self, endpoint: Endpoint) -> None:
        if endpoint.ring is not None:
            del endpoint.ring[endpoint.id]
            endpoint.ring = None

    # -- time and memory ---------------------------------------------------------------------

    def _notice_silence(self, now_ms: int) -> None:
        """Learn from answers that do not come, but for what this process itself is behind."""
        passed = min(max(0, now_ms - (self._ticked_ms or now_ms)), SILENT_MS)
        self._ticked_ms = now_ms
        self._awake_ms += passed
        self._behind_ms = max(0, passed - TICK_MS, self._behind_ms - passed // 4)
        patience_ms = PATIENCE * self._behind_ms
        for turn in open_since(self._young, now_ms - FAST_MS - patience_ms):
            turn.is_late = True
            self._late.append(turn)
            if turn.endpoint is not None:
                turn.endpoint.late += 1
                self._weigh(turn.endpoint)
        for turn in open_since(self._late, now_ms - SILENT_MS - patience_ms):
            endpoint = turn.endpoint
            if endpoint is not None and (endpoint.mean_ms or 0) < SILENT_MS / 2:
                turn.is_silent = True
                endpoint.silent += 1
                self._weigh(endpoint)

    def _weigh(self, endpoint: Endpoint) -> None:
        mean_ms = endpoint.mean_ms
        if mean_ms is not None:  # an answer that waited for this process was not slow
            mean_ms -= self._behind_ms
        rank = rank_of(endpoint.health, mean_ms, endpoint.late, endpoint.silent)
        if rank != endpoint.rank:
            self.shares.opened(endpoint.rank, -endpoint.in_flight)
            self.shares.opened(rank, endpoint.in_flight)
            if rank == SUSPECT:
                endpoint.out_since_ms = self._awake_ms
            endpoint.rank = rank

    def _give_up(self, now_ms: int) -> Decided:
        """Turns that waited for a second without a sign are deferred: memory is for moments."""
        decided: Decided = []
        at_ms = now_ms - WAIT_MS - PATIENCE * self._behind_ms
        while self._entered and (
            not self._entered[0].is_waiting or self._entered[0].at_ms <= at_ms
        ):
            turn = self._entered.popleft()
            if turn.is_waiting and turn.endpoint is not None:
                decided += self._pump(turn.endpoint, now_ms)
            if turn.is_waiting and turn.endpoint is not None:
                decided += self._let_go(turn.endpoint, turn, now_ms)
        return decided

    def _let_go(self, endpoint: Endpoint, turn: Turn, now_ms: int) -> Decided:
        if self._is_full_for(endpoint):  # no fault of the lane's
            turn.at_ms = now_ms
            self._entered.append(turn)
            return []
        endpoint.waiting.remove(turn)
        self._unkeep(endpoint, turn)
        has_slot = self.shares.has_slot(endpoint.rank, endpoint.in_flight)
        view = self._view(endpoint, len(endpoint.waiting), turn, has_slot)
        plan = put_off(turn.webhook, turn.delivery, endpoint.health, view, now_ms)
        return [(turn, self._booked(endpoint, plan, now_ms))]

    def _set_rate(self, lane: Lane, turn: Turn) -> None:
        rate_per_s = rate_of(turn.webhook)
        if rate_per_s == lane.rate_per_s and turn.since_ms <= lane.since_ms:
            return
        lane.set_rate(rate_per_s, turn.since_ms)
        if lane.count:
            lane.wakes = False
            self._wake(lane)


def turn_of(
    webhook: Webhook, delivery: Delivery, size: int, context: object = None, since_ms: int = 0
) -> Turn:
    """A turn to submit; `context` is the caller's own; `since_ms`: since when its lane is ours."""
    return Turn(webhook, delivery, size, context, since_ms)
