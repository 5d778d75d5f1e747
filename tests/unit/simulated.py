"""A process, a delay line and receivers on a clock of its own: what `Lanes` makes of a load.

One partition is read in order, at most `READ_PER_MS` records a millisecond, or all of them at once
where the process comes to read only every so often; and not while it is full. What is deferred
comes back at its time, behind what was there before.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count

from msgspec.structs import replace

from hookstream.model.errors import ErrorKind
from hookstream.model.records import Delivery, Webhook
from services.deliverer.admit import Defer, Go, Plan
from services.deliverer.answer import Answer
from services.deliverer.endpoint import Turn
from services.deliverer.lanes import TICK_MS, Lanes
from tests.unit.values import a_delivery, a_webhook

START = 1_700_000_000_000
DEADLINE_MS = 15_000
READ_PER_MS = 8
MB = 1 << 20

Reply = tuple[int, int | None, str | None]
"""After how many milliseconds; status (None: none before the deadline); Retry-After."""
Behaviour = Callable[[int], Reply]
"""What a receiver does with a request that comes at that millisecond."""


def takes(ms: int, status: int = 200) -> Behaviour:
    return lambda _: (ms, status, None)


def hangs(_: int) -> Reply:
    return DEADLINE_MS, None, None


class Simulated:
    """`behaviours`: each webhook's. Times are milliseconds from the start."""

    def __init__(
        self, behaviours: dict[str, Behaviour], slots: int = 2000, read_every_ms: int = 1
    ) -> None:
        self.lanes = Lanes(slots, 64 * MB)
        self.behaviours = behaviours
        self.read_every_ms = read_every_ms
        self.now_ms = START
        self.sent: dict[str, list[int]] = defaultdict(list)
        """When requests of each webhook went out."""
        self.answered: Counter[str] = Counter()
        self.late_ms: dict[str, int] = defaultdict(int)
        """The longest that one of its deliveries was sent after its time."""
        self.deferred: dict[str, list[int]] = defaultdict(list)
        """By delivery, when."""
        self.deferrals: Counter[str] = Counter()
        self.most_held = [0, 0, 0, 0]
        self.most_waiting = 0
        self.full_ms = 0
        self._events: list[tuple[int, int, Turn, Reply | None]] = []
        self._unread: deque[Turn] = deque()
        self._numbers = count()

    def load(
        self, webhook: Webhook, at_ms: Iterable[int], template: Delivery | None = None
    ) -> None:
        """Deliveries for a webhook, due at these times."""
        delivery = template or a_delivery(webhook=webhook.id, lane=webhook.lane)
        for at in at_ms:
            number = next(self._numbers)
            due = replace(delivery, id=f"del_{number}", due_at_ms=START + at)
            heappush(self._events, (START + at, number, Turn(webhook, due, 1000), None))

    def run(self, until_ms: int) -> "Simulated":
        """Let time pass, a millisecond a step, up to then or till nothing is left."""
        while self.now_ms < START + until_ms and (self._events or self._unread):
            self._step()
            self.now_ms += 1
            if not self._unread and self._events and not self._is_waited_for():
                self.now_ms = max(self.now_ms, min(self._next_ms(), START + until_ms))
        return self

    def _is_waited_for(self) -> bool:
        wake = self.lanes.next_wake_ms
        return wake is not None and wake < self.now_ms + 1

    def _next_ms(self) -> int:
        tick = self.now_ms + TICK_MS - self.now_ms % TICK_MS
        wake = self.lanes.next_wake_ms
        times = (tick, self._events[0][0], tick if wake is None else int(wake) + 1)
        return min(times)

    def _step(self) -> None:
        now_ms, lanes = self.now_ms, self.lanes
        wake = lanes.next_wake_ms
        if now_ms % TICK_MS == 0 or (wake is not None and wake <= now_ms):
            self._follow(lanes.tick(now_ms))
        while self._events and self._events[0][0] <= now_ms:
            _, _, turn, reply = heappop(self._events)
            if reply is None:
                self._unread.append(turn)
            else:
                self._answer(turn, reply)
        self._read()
        self.full_ms += lanes.is_full
        self.most_waiting = max(self.most_waiting, lanes.waiting)
        self.most_held = [max(pair) for pair in zip(self.most_held, lanes.shares.held, strict=True)]

    def _read(self) -> None:
        if self.now_ms % self.read_every_ms:
            return
        for _ in range(READ_PER_MS * self.read_every_ms):
            if not self._unread or self.lanes.is_full:
                break
            turn = self._unread.popleft()
            self._plan(turn, self.lanes.submit(turn, self.now_ms))

    def _answer(self, turn: Turn, reply: Reply) -> None:
        took_ms, status, retry_after = reply
        error: ErrorKind | None = "timeout_answer" if status is None else None
        answer = Answer(
            started_at_ms=turn.at_ms,
            duration_ms=took_ms,
            status=status,
            error=error,
            retry_after=retry_after,
        )
        self.answered[turn.webhook.id] += status is not None and status < 300
        self._follow(self.lanes.finished(turn, answer, self.now_ms))

    def _follow(self, decided: list[tuple[Turn, Plan]]) -> None:
        for turn, plan in decided:
            self._plan(turn, plan)

    def _plan(self, turn: Turn, plan: Plan) -> None:
        id_, now_ms, delivery = turn.webhook.id, self.now_ms, turn.delivery
        if isinstance(plan, Go):
            self.sent[id_].append(now_ms)
            if not delivery.deferred_since_ms:
                self.late_ms[id_] = max(self.late_ms[id_], now_ms - delivery.due_at_ms)
            reply = self.behaviours[id_](now_ms - START)
            heappush(self._events, (now_ms + reply[0], next(self._numbers), turn, reply))
        elif isinstance(plan, Defer):
            assert plan.until_ms > now_ms
            self.deferrals[id_] += 1
            self.deferred[delivery.id].append(now_ms)
            since = delivery.deferred_since_ms or now_ms
            again = replace(
                delivery,
                turn=delivery.turn + 1,
                deferred_since_ms=since,
                reason=plan.why,
                due_at_ms=plan.until_ms,
            )
            due = Turn(turn.webhook, again, turn.size)
            heappush(self._events, (plan.until_ms, next(self._numbers), due, None))


def hooks(prefix: str, number: int, **changes: object) -> list[Webhook]:
    """So many webhooks, each a lane of its own unless `changes` says otherwise."""
    names = [f"{prefix}_{n}" for n in range(number)]
    return [a_webhook(**{"id": name, "lane": name, **changes}) for name in names]
