"""Which fault explains a request that was repeated. Pure.

In flight means: sent, and its outcome not yet acknowledged. A request is explained by the death of
the process that sent it, or by partitions taken from that process, if it was in flight then; a
broker that was away, or a process that stood still, keeps requests in flight that were answered.

A process may also be stopped between the moment when it made sure that a request is its to send
and the first byte, which follows at once: then that one is written right after it goes on.
"""

from collections import defaultdict
from collections.abc import Iterable

from tests.chaos.evidence import SECOND_NS, Death, Evidence, Fault, Move, Request

RECOVERS_S = 15.0
"""After a fault is over: groups settle, brokers catch up."""


class Attribution:
    """Looks causes up. `slack_s`: an answer so shortly before may not have become an outcome."""

    def __init__(self, evidence: Evidence, slack_s: float) -> None:
        self._slack_ns = int(slack_s * SECOND_NS)
        self._faults = evidence.faults
        self._settle_ns = int((evidence.session_s + RECOVERS_S) * SECOND_NS)
        self._deaths = _by_process(evidence.deaths)
        self._moves = _by_process(evidence.moves)

    def cause(self, request: Request) -> str | None:
        """The named fault that this request was in flight at; None: there is none."""
        for death in self._of(self._deaths, request.by):
            if self._in_flight(request, death.by, death.at_ns, death.at_ns):
                return self.name_of_death(death)
        for move in self._of(self._moves, request.by):
            until_ns = self._stopped_since(move) or move.at_ns
            named = self.name_of_move(move)
            if named and self._in_flight(request, move.by, until_ns, move.at_ns):
                return named
        return None

    def begun_before_stop(self, request: Request, others: Iterable[Request]) -> Fault | None:
        """The stop that its sender has just gone on from, if another has sent the same meanwhile
        and the group had replaced it. One request of a stop may have this cause: one thread sends,
        and it does nothing else between making sure and the first byte."""
        for stop in self._faults:
            if stop.kind != "stop" or stop.target != request.by:
                continue
            if abs(request.at_ns - stop.to_ns) > self._slack_ns or not self._lost_by(stop):
                continue
            sent = (r for r in others if r.by != request.by)
            if any(stop.from_ns <= r.at_ns <= request.at_ns for r in sent):
                return stop
        return None

    def _lost_by(self, stop: Fault) -> bool:
        return any(self._stopped_since(move) == stop.from_ns for move in self._moves[stop.target])

    def name_of_death(self, death: Death) -> str | None:
        """The fault that killed it; a process that fell by itself is a finding of its own."""
        for fault in self._faults:
            if fault.target == death.by and fault.from_ns - SECOND_NS <= death.at_ns:
                return name(fault)
        return f"{death.by} fell"

    def name_of_move(self, move: Move) -> str | None:
        """The latest fault that may have moved partitions of deliverers."""
        moving = [f for f in self._faults if moves_partitions(f) and f.from_ns <= move.at_ns]
        for fault in sorted(moving, key=lambda f: f.from_ns, reverse=True):
            if move.at_ns <= fault.to_ns + self._settle_ns:
                return name(fault)
        return None

    def broker_was_away(self, at_ms: int) -> bool:
        """Whether an outcome of about then may have been written to a broker that was away."""
        at_ns, about_ns = at_ms * 1_000_000, self._slack_ns + self._settle_ns
        brokers = [fault for fault in self._faults if fault.service == "kafka"]
        return any(f.from_ns - about_ns <= at_ns <= f.to_ns + self._settle_ns for f in brokers)

    def _of(self, known: dict[str, list], by: str) -> list:  # type: ignore[type-arg]
        """Of one process; of all where the receiver could not tell who sent."""
        return known[by] if by else [each for some in known.values() for each in some]

    def _in_flight(self, request: Request, by: str, begun_until_ns: int, at_ns: int) -> bool:
        if request.at_ns > begun_until_ns + self._slack_ns:
            return False
        since_ns = self._unacknowledged_since(by, at_ns) - self._slack_ns
        return request.closed_ns is None or request.closed_ns >= since_ns

    def _unacknowledged_since(self, by: str, at_ns: int) -> int:
        """From when on an answer may have waited for its ack until `at_ns`."""
        since_ns = at_ns
        for fault in sorted(self._faults, key=lambda f: f.from_ns, reverse=True):
            holds_up = fault.service == "kafka" or (fault.kind == "stop" and fault.target == by)
            if holds_up and fault.from_ns < since_ns <= fault.to_ns + self._settle_ns:
                since_ns = fault.from_ns
        return since_ns

    def _stopped_since(self, move: Move) -> int | None:
        """When the process stood still, if that is why it lost its partitions: not if it went on,
        and another fault that moves partitions came before it lost them."""
        stops = [f for f in self._faults if f.kind == "stop" and f.target == move.by]
        found = [
            f.from_ns
            for f in stops
            if f.from_ns <= move.at_ns <= f.to_ns + self._settle_ns
            and not self._moved_between(f.to_ns, move.at_ns)
        ]
        return max(found, default=None)

    def _moved_between(self, from_ns: int, to_ns: int) -> bool:
        return any(moves_partitions(f) and from_ns < f.from_ns <= to_ns for f in self._faults)


def name(fault: Fault) -> str:
    """As it stands in the report."""
    return f"{fault.kind} {fault.target}"


def moves_partitions(fault: Fault) -> bool:
    """Whether deliverers may lose partitions by it."""
    return fault.service in {"deliverer", "kafka"}


def _by_process(some: Iterable[Death] | Iterable[Move]) -> dict[str, list]:  # type: ignore[type-arg]
    found: dict[str, list] = defaultdict(list)  # type: ignore[type-arg]
    for each in some:
        found[each.by].append(each)
    return found
