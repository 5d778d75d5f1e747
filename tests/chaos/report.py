"""What a run says at its end: a table by fault, and what must not be. Pure."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from tests.chaos.attribute import name
from tests.chaos.check import Checked
from tests.chaos.evidence import Evidence
from tests.chaos.gaps import bound_s, gaps

MOST_TOLD = 20


class Line(Struct, frozen=True):
    """One fault. `after_s`: since the first event was sent. `counted_ms`: of its gap, since the
    last fault that fell into it; this is what has a bound."""

    fault: str
    after_s: float
    lasted_s: float
    gap_ms: float | None
    counted_ms: float | None
    open: int
    repeats: int


class Report(Struct, frozen=True):
    """All of it, as written to JSON."""

    seed: int
    minutes: float
    events: int
    deliveries: int
    requests: int
    attempts: int
    lost: int
    repeats: int
    unexplained: int
    written_twice: int
    gap_bound_ms: float
    lines: list[Line]
    findings: list[str]
    late: list[str]
    """Gaps beyond their bound."""
    passed: bool


def report(
    evidence: Evidence, checked: Checked, seed: int, slack: float, failures: Sequence[str] = ()
) -> Report:
    """`slack`: times the bound that a gap may take. `failures`: of the run itself."""
    begun = min(evidence.sent_ns.values(), default=0)
    repeats = Counter(repeat.cause for repeat in checked.repeats)
    bound_ms = bound_s(evidence) * 1000
    lines = []
    for fault, gap in zip(evidence.faults, gaps(evidence), strict=True):
        after_s, lasted_s = (fault.from_ns - begun) / 1e9, (fault.to_ns - fault.from_ns) / 1e9
        found = repeats.pop(name(fault), 0)
        gap_ms, counted_ms = gap or (None, None)
        lines.append(Line(name(fault), after_s, lasted_s, gap_ms, counted_ms, fault.open, found))
    kinds = Counter(finding.kind for finding in checked.findings)
    findings = [*failures, *(f"{finding.kind}: {finding.about}" for finding in checked.findings)]
    late = [
        f"late: {line.fault}: nothing for {line.counted_ms:.0f} ms"
        for line in lines
        if line.counted_ms is not None and line.counted_ms > slack * bound_ms
    ]
    return Report(
        seed=seed,
        minutes=round((max(evidence.sent_ns.values(), default=0) - begun) / 60e9, 1),
        events=len(evidence.sent_ns),
        deliveries=len(evidence.wanted),
        requests=len(evidence.requests),
        attempts=len(evidence.attempted),
        lost=kinds["lost"],
        repeats=len(checked.repeats),
        written_twice=checked.twice,
        unexplained=kinds["unexplained_repeat"] + kinds["missing_attempt"],
        gap_bound_ms=bound_ms,
        lines=lines,
        findings=findings,
        late=late,
        passed=not findings and not late,
    )


def as_text(made: Report) -> str:
    """For people; the table is Markdown, as docs/reliability.md has it."""
    head = (
        f"seed {made.seed}, {made.minutes} minutes: {made.events} events accepted, "
        f"{made.deliveries} deliveries, {made.requests} requests received, "
        f"{made.attempts} attempts in Postgres.\n"
        f"Lost {made.lost}, repeated {made.repeats}, unexplained {made.unexplained}, "
        f"outcomes on the topic twice at a broker's fault {made.written_twice}; "
        f"a gap should stay below {made.gap_bound_ms / 1000:.0f} s."
    )
    table = [
        "| after | fault | lasted | gap | of it since the last fault | requests open | repeated |",
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    table += [
        f"| {line.after_s:.0f} s | {line.fault} | {line.lasted_s:.1f} s | {_ms(line.gap_ms)} |"
        f" {_ms(line.counted_ms)} | {line.open} | {line.repeats} |"
        for line in made.lines
    ]
    wrong = made.findings + made.late
    told = wrong[:MOST_TOLD]
    if len(wrong) > MOST_TOLD:
        told.append(f"… and {len(wrong) - MOST_TOLD} more")
    end = "passed" if made.passed else "\n".join(["FAILED", *told])
    return "\n".join([head, "", *table, "", end])


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"
