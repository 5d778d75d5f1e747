"""How long work stood still after each fault. Pure.

Of ingest, router, deliverer and brokers: how late the first request of an event was that was sent
about the time of the fault. Of retry: how late a due turn was. Of status and Postgres: for how long
a partition of outcomes with something to log was not logged.

Faults that hold up the same work may fall into one another's gaps: then the last of them counts, if
each came while the one before was in its time. Without Postgres nothing can be logged: what counts
is how soon after its return.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.chaos.evidence import SECOND_NS, Evidence, Fault, Key

BEFORE_NS, AFTER_NS = SECOND_NS // 5, SECOND_NS
"""Looked at is what was to happen from so long before a fault till so long after it."""
NOTICED_NS = 3 * SECOND_NS // 10
"""What was logged just before a fault is seen to be so within this time after it."""
GOES_ON_S = 5.0
"""Within the session's timeout and this much, work goes on."""
_REQUESTS = frozenset({"ingest", "router", "deliverer", "kafka"})
_RETRIES = frozenset({"retry", "deliverer", "kafka"})
_LOG = frozenset({"status", "postgres", "kafka"})
"""Whose faults hold up which work."""


class Gap(NamedTuple):
    """`counted_ms`: from the last fault that held up the same work."""

    ms: float
    counted_ms: float


class _Still(NamedTuple):
    """From when till when something was late."""

    from_ns: int
    to_ns: int


def bound_s(evidence: Evidence) -> float:
    """What a gap must not exceed (ground.md 13)."""
    return evidence.session_s + GOES_ON_S


def gaps(evidence: Evidence) -> list[Gap | None]:
    """By fault; None where nothing was to happen then, or nobody looks."""
    first = _first_requests(evidence)
    return [_gap(evidence, first, fault) for fault in evidence.faults]


def _gap(evidence: Evidence, first: dict[Key, int], fault: Fault) -> Gap | None:
    if fault.service == "console":
        return None
    if fault.service == "retry":
        work, still = _RETRIES, list(_late_retries(evidence, fault))
    elif fault.service in {"status", "postgres"}:
        work, still = _LOG, list(_unlogged(evidence, fault))
    else:
        work, still = _REQUESTS, list(_late_requests(evidence, first, fault))
    if not still:
        return None
    holding_up = [f for f in evidence.faults if f.service in work]
    longest_ns = max(each.to_ns - each.from_ns for each in still)
    counted_ns = max(_counted_ns(evidence, each, holding_up) for each in still)
    return Gap(max(0.0, longest_ns / 1e6), max(0.0, counted_ns / 1e6))


def _counted_ns(evidence: Evidence, still: _Still, holding_up: list[Fault]) -> int:
    bound_ns, begun_ns = int(bound_s(evidence) * SECOND_NS), still.from_ns
    for fault in sorted(holding_up, key=lambda f: f.from_ns):
        if fault.from_ns < still.to_ns and fault.from_ns - begun_ns <= bound_ns:
            begun_ns = max(begun_ns, _holds_up_from(fault))
    return still.to_ns - begun_ns


def _holds_up_from(fault: Fault) -> int:
    """From when on its time counts."""
    return fault.to_ns if fault.service == "postgres" else fault.from_ns


def _first_requests(evidence: Evidence) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for request in evidence.requests:
        if request.key[0] in evidence.prompt:
            found[request.key] = min(request.at_ns, found.get(request.key, request.at_ns))
    return found


def _is_about(fault: Fault, at_ns: int) -> bool:
    return fault.from_ns - BEFORE_NS <= at_ns <= fault.from_ns + AFTER_NS


def _late_requests(evidence: Evidence, first: dict[Key, int], fault: Fault) -> Iterator[_Still]:
    for key, at_ns in first.items():
        sent_ns = evidence.sent_ns.get(key[1], 0)
        if _is_about(fault, sent_ns):
            yield _Still(max(sent_ns, fault.from_ns), at_ns)


def _late_retries(evidence: Evidence, fault: Fault) -> Iterator[_Still]:
    for retry in evidence.retries:
        if retry.came_ns is not None and _is_about(fault, retry.due_ns):
            yield _Still(max(retry.due_ns, fault.from_ns), retry.came_ns)


def _unlogged(evidence: Evidence, fault: Fault) -> Iterator[_Still]:
    """Of each partition, till it was logged on; how long it then takes to catch up is not a gap."""
    back_ns = _holds_up_from(fault)
    next_: dict[int, _Still] = {}
    for partition, appended_ns, logged_ns in evidence.logged:
        if appended_ns > back_ns + AFTER_NS or logged_ns < back_ns + NOTICED_NS:
            continue
        if partition not in next_ or logged_ns < next_[partition].to_ns:
            next_[partition] = _Still(max(appended_ns, back_ns), logged_ns)
    yield from next_.values()
