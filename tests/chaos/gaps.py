"""How long work stood still after each fault. Pure.

Of ingest, router, deliverer and brokers: how late the first request of an event was that was sent
about the time of the fault. Of retry: how late a due turn was. Of status and Postgres: how late an
outcome was in the log.
"""

from collections.abc import Iterator

from tests.chaos.evidence import SECOND_NS, Evidence, Fault, Key

BEFORE_NS, AFTER_NS = SECOND_NS // 5, SECOND_NS
"""Looked at is what was to happen from so long before a fault till so long after it."""
GOES_ON_S = 5.0
"""Within the session's timeout and this much, work goes on."""


def bound_s(evidence: Evidence) -> float:
    """What a gap must not exceed (ground.md 13)."""
    return evidence.session_s + GOES_ON_S


def gaps_ms(evidence: Evidence) -> list[float | None]:
    """By fault, milliseconds; None where nothing was to happen then, or nobody looks."""
    first = _first_requests(evidence)
    return [_gap_ms(evidence, first, fault) for fault in evidence.faults]


def _gap_ms(evidence: Evidence, first: dict[Key, int], fault: Fault) -> float | None:
    if fault.service == "console":
        return None
    if fault.service == "retry":
        lates = list(_late_retries(evidence, fault))
    elif fault.service in {"status", "postgres"}:
        lates = list(_late_log(evidence, fault))
    else:
        lates = list(_late_requests(evidence, first, fault))
    return max(0.0, max(lates)) / 1e6 if lates else None


def _first_requests(evidence: Evidence) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for request in evidence.requests:
        if request.key[0] in evidence.prompt:
            found[request.key] = min(request.at_ns, found.get(request.key, request.at_ns))
    return found


def _is_about(fault: Fault, at_ns: int) -> bool:
    return fault.from_ns - BEFORE_NS <= at_ns <= fault.from_ns + AFTER_NS


def _late_requests(evidence: Evidence, first: dict[Key, int], fault: Fault) -> Iterator[int]:
    for key, at_ns in first.items():
        sent_ns = evidence.sent_ns.get(key[1], 0)
        if _is_about(fault, sent_ns):
            yield at_ns - max(sent_ns, fault.from_ns)


def _late_retries(evidence: Evidence, fault: Fault) -> Iterator[int]:
    for retry in evidence.retries:
        if retry.came_ns is not None and _is_about(fault, retry.due_ns):
            yield retry.came_ns - max(retry.due_ns, fault.from_ns)


def _late_log(evidence: Evidence, fault: Fault) -> Iterator[int]:
    """Without Postgres nothing can be logged: what counts is how soon after its return."""
    back_ns = fault.to_ns if fault.service == "postgres" else fault.from_ns
    for logged in evidence.logged:
        if _is_about(fault, logged.appended_ns):
            yield logged.logged_ns - max(logged.appended_ns, back_ns)
