"""Lanes: what holds whatever happens, and that one receiver cannot slow another."""

from collections import Counter, defaultdict, deque
from heapq import heappop, heappush
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hookstream.model.errors import ErrorKind
from services.deliverer.admit import Defer, Go, Park, Plan, Wait
from services.deliverer.answer import Answer
from services.deliverer.endpoint import Turn
from services.deliverer.lanes import TICK_MS, Lanes
from services.deliverer.shares import FAST, SUSPECT, UNPROVEN
from tests.unit.values import a_delivery, a_webhook

START = 1_700_000_000_000
MB = 1 << 20


def a_turn(webhook: str = "wh_1", size: int = 1000, **changes: Any) -> Turn:
    hook = a_webhook(**{"id": webhook, "lane": webhook, **changes})
    return Turn(hook, a_delivery(webhook=webhook, lane=hook.lane), size)


def ok(took_ms: int = 5, at_ms: int = START) -> Answer:
    return Answer(started_at_ms=at_ms, duration_ms=took_ms, status=200)


def lost(error: ErrorKind = "timeout_answer", at_ms: int = START) -> Answer:
    return Answer(started_at_ms=at_ms, duration_ms=15_000, error=error)


def test_what_waits_goes_when_an_answer_comes_first_come_first_served() -> None:
    lanes = Lanes(100, MB)
    turns = [a_turn() for _ in range(5)]
    assert [lanes.submit(turn, START) for turn in turns] == [Go(), Go(), Wait(), Wait(), Wait()]
    assert lanes.finished(turns[0], ok(), START + 5) == [
        (turns[2], Go()),
        (turns[3], Go()),
        (turns[4], Go()),
    ]
    assert (lanes.in_flight, lanes.waiting, lanes.waiting_bytes) == (4, 0, 0)


def test_what_waits_is_deferred_when_the_circuit_opens() -> None:
    lanes = Lanes(100, MB)
    turns = [a_turn() for _ in range(4)]
    for turn in turns:
        lanes.submit(turn, START)
    assert lanes.finished(turns[0], lost(), START + 10) == []
    decided = lanes.finished(turns[1], lost(), START + 10)
    assert [turn for turn, _ in decided] == turns[2:]
    assert all(isinstance(plan, Defer) for _, plan in decided)
    assert lanes.health("wh_1").limit == 0


def test_nothing_waits_in_memory_longer_than_a_second() -> None:
    lanes = Lanes(100, MB)
    turns = [a_turn() for _ in range(3)]
    for turn in turns:
        lanes.submit(turn, START)
    assert lanes.tick(START + 999) == []
    [(turn, plan)] = lanes.tick(START + 1000)
    assert turn is turns[2]
    assert isinstance(plan, Defer)


def known(lanes: Lanes, *webhooks: str) -> None:
    """Each has answered once, within a few milliseconds: it is fast."""
    for name in webhooks:
        turn = a_turn(name)
        lanes.submit(turn, START)
        lanes.finished(turn, ok(), START)


def test_a_full_process_stops_reading_and_defers_nothing() -> None:
    lanes = Lanes(8, MB)
    names = [f"wh_{n}" for n in range(12)]
    known(lanes, *names)
    turns = [a_turn(name) for name in names]
    plans = [lanes.submit(turn, START) for turn in turns]
    assert plans == [Go()] * 8 + [Wait()] * 4
    assert lanes.is_full
    assert lanes.tick(START + 5000) == []
    decided = [pair for turn in turns[:4] for pair in lanes.finished(turn, ok(), START + 5000)]
    assert decided == [(turn, Go()) for turn in turns[8:]]


def test_turns_of_a_partition_that_was_taken_away_are_forgotten() -> None:
    lanes = Lanes(8, MB)
    turns = [a_turn() for _ in range(4)]
    for turn in turns:
        lanes.submit(turn, START)
    lanes.close(turns)
    assert (lanes.in_flight, lanes.waiting, lanes.waiting_bytes) == (0, 0, 0)
    assert lanes.submit(a_turn(), START) == Go()


def test_idle_webhooks_are_forgotten() -> None:
    lanes = Lanes(8, MB, max_known=10)
    for n in range(50):
        turn = a_turn(f"wh_{n}")
        lanes.submit(turn, START)
        lanes.finished(turn, ok(), START)
    lanes.tick(START)
    assert len(lanes) == 10
    lanes.tick(START + 1_000_000)
    assert len(lanes) == 0


def test_a_paused_webhook_parks() -> None:
    assert Lanes(8, MB).submit(a_turn(state="paused"), START) == Park()


class World:
    """A loop, a delay line and receivers, on a clock of its own."""

    def __init__(self, lanes: Lanes, answer_ms: dict[str, int]) -> None:
        self.lanes = lanes
        self.answer_ms = answer_ms
        """How long each webhook takes; from the deadline on, it is a timeout."""
        self.now_ms = START
        self.events: list[tuple[int, int, str, Turn]] = []
        self.unread: deque[Turn] = deque()
        self.sent: dict[str, list[int]] = defaultdict(list)
        self.deferrals: Counter[str] = Counter()
        self.count = 0

    def at(self, at_ms: int, kind: str, turn: Turn) -> None:
        self.count += 1
        heappush(self.events, (at_ms, self.count, kind, turn))

    def plan(self, turn: Turn, plan: Plan) -> None:
        if isinstance(plan, Go):
            self.sent[turn.webhook.id].append(self.now_ms)
            took = min(self.answer_ms[turn.webhook.id], 15_000)
            self.at(self.now_ms + took, "answer", turn)
        elif isinstance(plan, Defer):
            assert plan.until_ms > self.now_ms
            self.deferrals[turn.webhook.id] += 1
            since = turn.delivery.deferred_since_ms or self.now_ms
            later = turn.delivery.turn + 1
            again = replace(turn.delivery, turn=later, deferred_since_ms=since, reason=plan.why)
            self.at(plan.until_ms, "due", Turn(turn.webhook, again, turn.size))

    def run(self, until_ms: int) -> None:
        next_tick = self.now_ms
        while True:
            wake = self.lanes.next_wake_ms
            next_ms = min(next_tick, until_ms if wake is None else max(int(wake) + 1, self.now_ms))
            if self.events:
                next_ms = min(next_ms, max(self.events[0][0], self.now_ms))
            if next_ms > until_ms or self.now_ms >= until_ms:
                return
            self.now_ms = next_ms
            if self.events and self.events[0][0] <= self.now_ms:
                self._happen(*heappop(self.events)[2:])
            else:
                self._decide(self.lanes.tick(self.now_ms))
                next_tick = self.now_ms + TICK_MS if next_tick <= self.now_ms else next_tick

    def _happen(self, kind: str, turn: Turn) -> None:
        if kind == "due":
            self.unread.append(turn)
        else:
            took = self.answer_ms[turn.webhook.id]
            given = ok(took, turn.at_ms) if took < 15_000 else lost(at_ms=turn.at_ms)
            self._decide(self.lanes.finished(turn, given, self.now_ms))
        while self.unread and not self.lanes.is_full:
            due = self.unread.popleft()
            self.plan(due, self.lanes.submit(due, self.now_ms))

    def _decide(self, decided: list[tuple[Turn, Plan]]) -> None:
        for turn, plan in decided:
            self.plan(turn, plan)


def test_all_that_is_put_off_goes_out_in_the_end_within_few_deferrals() -> None:
    world = World(Lanes(100, MB), {"wh_1": 15_000})
    for n in range(200):
        turn = a_turn()
        turn.delivery = a_delivery(id=f"del_{n}", lane="wh_1")
        world.at(START + n * 10, "due", turn)
    world.run(START + 3_600_000)
    world.answer_ms["wh_1"] = 20
    world.run(START + 7_200_000)
    assert len(world.sent["wh_1"]) >= 200
    assert not world.events
    assert world.deferrals["wh_1"] < 200 * 60


def test_the_first_burst_for_a_webhook_is_not_put_off() -> None:
    world = World(Lanes(2000, 64 * MB), {"wh_1": 20})
    for _ in range(400):
        world.at(START, "due", a_turn())
    world.run(START + 3000)
    assert world.deferrals["wh_1"] == 0
    assert world.sent["wh_1"][-1] - START <= 200


def test_ranks_share_the_slots_and_the_fast_have_a_quarter_alone() -> None:
    lanes = Lanes(80, MB)
    fast = [f"fast_{n}" for n in range(20)]
    known(lanes, *fast)
    for n in range(30):
        hung = a_turn(f"hung_{n}")
        lanes.submit(hung, START)
        lanes.finished(hung, lost(), START)  # limit 1: a suspect
        slow = a_turn(f"slow_{n}")
        lanes.submit(slow, START)
        lanes.finished(slow, ok(300), START)
    plans = [lanes.submit(a_turn(f"slow_{n % 30}"), START) for n in range(25)]
    assert plans == [Go()] * 25
    plans = [lanes.submit(a_turn(f"hung_{n}"), START) for n in range(30)]
    assert plans.count(Go()) == 80 // 8
    plans = [lanes.submit(a_turn(f"new_{n}"), START) for n in range(50)]
    assert plans.count(Go()) == 60 - 25 - 10, "with suspects and the slow, three quarters"
    assert lanes.shares.held == [10, 25, 25, 0]
    assert [lanes.submit(a_turn(name), START) for name in fast] == [Go()] * 20
    assert lanes.is_full


def test_a_limit_that_is_not_used_is_given_back() -> None:
    """So a webhook that falls silent cannot take what it took once, in a burst."""
    lanes = Lanes(2000, 64 * MB)
    burst = [a_turn() for _ in range(100)]
    for turn in burst:
        lanes.submit(turn, START)
    while going := [turn for turn in burst if turn.is_open]:
        for turn in going:
            lanes.finished(turn, ok(), START)
    assert lanes.health("wh_1").limit >= 32
    for second in range(1, 9):
        turn = a_turn()
        lanes.submit(turn, START + 1000 * second)
        lanes.finished(turn, ok(), START + 1000 * second)
    assert lanes.health("wh_1").limit == 2
    for name in ("wh_1", "wh_2"):
        assert [lanes.submit(a_turn(name), START + 9000) for _ in range(3)].count(Go()) == 2


def test_a_process_that_is_behind_its_clock_takes_nobody_for_silent() -> None:
    lanes = Lanes(80, MB)
    known(lanes, "wh_1")
    lanes.tick(START)
    turn = a_turn()
    lanes.submit(turn, START)
    lanes.tick(START + 1400)  # it stood still itself
    assert turn.endpoint is not None
    assert turn.endpoint.rank == FAST
    for n in range(14, 120):
        lanes.tick(START + 100 * n)
    assert turn.endpoint.rank == SUSPECT


def test_what_was_known_of_a_webhook_a_minute_ago_is_not_known() -> None:
    lanes = Lanes(80, MB)
    known(lanes, "wh_1")
    turns = [a_turn(), a_turn()]
    for turn, later in zip(turns, (59_999, 120_000), strict=True):
        lanes.submit(turn, START + later)
        assert turn.endpoint is not None
        assert turn.endpoint.rank == (FAST if later < 60_000 else UNPROVEN)
        lanes.finished(turn, ok(), START + later)


_steps = st.lists(
    st.tuples(
        st.sampled_from(["submit", "ok", "lost", "busy", "tick", "close"]),
        st.integers(0, 5),
        st.integers(0, 2500),
    ),
    max_size=120,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(_steps, st.sampled_from([None, 3.0]))
def test_whatever_happens_the_counts_are_right(
    steps: list[tuple[str, int, int]], rate: float | None
) -> None:
    lanes = Lanes(8, 20_000)
    going: list[Turn] = []
    kept: list[Turn] = []
    now_ms = START
    for what, which, later in steps:
        now_ms += later
        decided: list[tuple[Turn, Plan]] = []
        if what == "submit":
            turn = a_turn(f"wh_{which}", rate_per_s=rate)
            decided = [(turn, lanes.submit(turn, now_ms))]
        elif what == "tick":
            decided = lanes.tick(now_ms)
        elif going:
            turn = going.pop(which % len(going))
            if what == "close":
                lanes.close([turn])
            else:
                at = turn.at_ms
                busy = Answer(started_at_ms=at, duration_ms=1, status=429, retry_after="2")
                given = {"ok": ok(at_ms=at), "lost": lost(at_ms=at), "busy": busy}[what]
                decided = lanes.finished(turn, given, now_ms)
        for turn, plan in decided:
            if turn in kept:
                kept.remove(turn)
            if isinstance(plan, Go):
                going.append(turn)
            elif isinstance(plan, Wait):
                kept.append(turn)
        assert lanes.in_flight == len(going) <= 8
        assert lanes.waiting == len(kept)
        assert lanes.waiting_bytes == sum(turn.size for turn in kept)
        ranks = Counter(turn.endpoint.rank for turn in going if turn.endpoint)
        opened = [lanes.health(f"wh_{number}").is_open for number in range(6)]
        assert lanes.circuits_open == sum(opened)
        assert lanes.shares.held == [ranks[rank] for rank in range(FAST + 1)]
    for _ in range(40):  # all that waits is let go in the end
        now_ms += 1000
        for turn in going:
            for other, _plan in lanes.finished(turn, ok(at_ms=turn.at_ms), now_ms):
                kept.remove(other)
        going = _open(lanes)
        for turn, _plan in lanes.tick(now_ms):
            kept.remove(turn)
        going = _open(lanes)
    assert (lanes.in_flight, lanes.waiting, kept) == (0, 0, [])


def _open(lanes: Lanes) -> list[Turn]:
    return [turn for turn in lanes._young if turn.is_open]
