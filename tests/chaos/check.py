"""Compares what was accepted, what the receiver saw, and what Postgres says. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tests.chaos.attribute import Attribution, name
from tests.chaos.evidence import Attempted, Evidence, Fault, Key, Request

SLACK_S = 1.0
EARLY_MS, LATE_MS = 20, 250
"""A request may be noted so long before or after the times of its attempt: the receiver is a
process of its own, and gets to it when it gets to it."""
UNANSWERED_MS = 5_000
"""And so long after an attempt without an answer, if none was noted sooner: a receiver that stands
still on a busy machine reads it when its sender has given up, which is why there is no answer."""


class Finding(NamedTuple):
    """Something that must not be."""

    kind: str
    about: str


class Repeat(NamedTuple):
    """A request that was sent again later, and the fault it was in flight at."""

    request: Request
    cause: str


class Checked(NamedTuple):
    """Findings fail the run; repeats are explained."""

    findings: list[Finding]
    repeats: list[Repeat]
    twice: int
    """Outcomes that are on the topic twice, at the fault of a broker: the request was one."""


def check(evidence: Evidence, slack_s: float = SLACK_S) -> Checked:
    """All that is wrong, and every repeat with its cause."""
    attribution = Attribution(evidence, slack_s)
    findings = [*_lost(evidence), *_miscounted(evidence), *_fallen(evidence)]
    repeats: list[Repeat] = []
    rows = Counter(evidence.attempted)
    findings += [Finding("logged_twice", f"{row}") for row, count in rows.items() if count > 1]
    twice, without_cause = copies(evidence.written, attribution)
    findings += [Finding("written_twice", f"{each}") for each in without_cause]
    requests, attempted = _by_key(evidence.requests), _by_key(rows)
    stops: set[Fault] = set()
    for key in sorted(requests.keys() | attempted.keys()):
        matched = match(requests.get(key, ()), attempted.get(key, ()))
        seen = f"requests: {requests.get(key)}; attempts: {attempted.get(key)}"
        findings += [Finding("attempt_without_request", seen) for _ in matched.phantoms]
        for request in matched.repeated:
            cause = attribution.cause(request)
            stop = attribution.begun_before_stop(request, requests[key])
            if cause is None and stop and stop not in stops and attempted.get(key):
                stops.add(stop)
                cause = name(stop)
            if cause is not None:
                repeats.append(Repeat(request, cause))
            else:
                findings.append(_unexplained(evidence, request, len(attempted.get(key, ()))))
    return Checked(findings, repeats, twice)


def copies(written: Iterable[Attempted], attribution: Attribution) -> tuple[int, list[Attempted]]:
    """How many copies of outcomes a broker's fault explains, and those that it does not.

    Who loses partitions when a broker goes writes again what was not acknowledged, also what was
    written.
    """
    again = {row: count - 1 for row, count in Counter(written).items() if count > 1}
    unexplained = [row for row in again if not attribution.broker_was_away(row.started_ms)]
    return sum(count for row, count in again.items() if row not in unexplained), unexplained


class Matched(NamedTuple):
    """Requests of one delivery beside its attempts."""

    repeated: list[Request]
    """Those without an attempt, and those of a turn that has a later attempt too."""
    phantoms: list[Attempted]
    """Attempts with an answer that no request was seen for."""


def match(requests: Sequence[Request], attempts: Sequence[Attempted]) -> Matched:
    """Each attempt takes the first request that came within its time."""
    left = sorted(requests, key=lambda r: r.at_ns)
    rows = sorted(attempts, key=lambda a: a.started_ms)
    last_of_turn = {a.turn: a for a in rows}
    found = {row: _taken(left, row, LATE_MS) for row in rows}
    for row in rows:
        if found[row] is None and row.status is None:
            found[row] = _taken(left, row, UNANSWERED_MS)
    twins = [r for row, r in found.items() if r and last_of_turn[row.turn] is not row]
    phantoms = [row for row, r in found.items() if r is None and row.status is not None]
    return Matched([*left, *twins], phantoms)


def _taken(left: list[Request], attempt: Attempted, late_ms: int) -> Request | None:
    """The request of this attempt, which is then not left for another."""
    found = next((r for r in left if _fits(r, attempt, late_ms)), None)
    if found is not None:
        left.remove(found)
    return found


def _fits(request: Request, attempt: Attempted, late_ms: int) -> bool:
    at_ms = request.at_ns / 1e6
    ended_ms = attempt.started_ms + attempt.duration_ms
    in_time = attempt.started_ms - EARLY_MS <= at_ms <= ended_ms + late_ms
    return in_time and (attempt.status is None or attempt.status == request.status)


def _lost(evidence: Evidence) -> Iterator[Finding]:
    """Every promised delivery has ended as it must, and its receiver has taken it."""
    taken = {r.key for r in evidence.requests if r.status is not None and r.status < 300}
    for key, state in sorted(evidence.wanted.items()):
        row = evidence.ended.get(key)
        if row is None or row.state != state:
            yield Finding("lost", f"{key}: {row.state if row else 'no row'}, not {state}")
        elif state == "succeeded" and key not in taken:
            yield Finding("lost", f"{key}: succeeded, and its receiver has not taken it")
    for key in sorted(evidence.ended.keys() - evidence.wanted.keys()):
        yield Finding("unknown_delivery", f"{key}")


def _miscounted(evidence: Evidence) -> Iterator[Finding]:
    """A turn that was sent twice counts once, as in its delivery's schedule."""
    rows = Counter(key for key, _ in {(each.key, each.turn) for each in evidence.attempted})
    for key, row in sorted(evidence.ended.items()):
        if row.attempts != rows[key]:
            yield Finding(
                "miscounted", f"{key}: says {row.attempts}, has attempts of {rows[key]} turns"
            )
    if evidence.dead:
        yield Finding("dead", f"{evidence.dead} records are on the topic dead")


def _fallen(evidence: Evidence) -> Iterator[Finding]:
    for death in evidence.deaths:
        if not death.planned:
            yield Finding("fell", f"{death.by} ended by itself:\n{death.words}")


def _unexplained(evidence: Evidence, request: Request, attempts: int) -> Finding:
    """A request without an attempt that succeeded is missing in the log, else it was repeated."""
    row = evidence.ended.get(request.key)
    kind = "unexplained_repeat" if row and attempts else "missing_attempt"
    others = [r for r in evidence.requests if r.key == request.key and r is not request]
    return Finding(kind, f"{request}; others: {others}")


def _by_key(some: Iterable[Request] | Iterable[Attempted]) -> dict[Key, list]:  # type: ignore[type-arg]
    found: dict[Key, list] = defaultdict(list)  # type: ignore[type-arg]
    for each in some:
        found[each.key].append(each)
    return found
