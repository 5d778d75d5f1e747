"""The checker of `make chaos` goes red for what must not be, and names the cause of what may."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from msgspec import structs

from tests.chaos.check import check
from tests.chaos.evidence import (
    SECOND_NS,
    Attempted,
    Death,
    Ended,
    Evidence,
    Fault,
    Key,
    Logged,
    Move,
    Request,
    Retry,
)
from tests.chaos.gaps import gaps
from tests.chaos.plan import long_plan, short_plan
from tests.chaos.report import as_text, report

T0 = 1_800_000_000 * SECOND_NS
KEY = ("good-0", "e4")
ONE, TWO = "deliverer-1#1", "deliverer-2#1"


def at(seconds: float) -> int:
    return T0 + int(seconds * SECOND_NS)


def request(
    seconds: float,
    by: str = ONE,
    lasts_s: float | None = 0.1,
    status: int | None = 200,
    key: Key = KEY,
) -> Request:
    closed_ns = None if lasts_s is None else at(seconds + lasts_s)
    return Request(key, by, at(seconds), closed_ns, status if lasts_s is not None else None)


def attempt(
    seconds: float, turn: int = 1, lasts_s: float = 0.1, status: int | None = 200
) -> Attempted:
    return Attempted(KEY, turn, int(at(seconds) / 1e6) - 1, int(lasts_s * 1000) + 2, status)


def fault(kind: str, target: str, begins_s: float, ends_s: float) -> Fault:
    return Fault(kind=kind, target=target, from_ns=at(begins_s), to_ns=at(ends_s), open=1)


def evidence(**more: object) -> Evidence:
    """One event, sent, received and logged once; `more` replaces."""
    clean = Evidence(
        session_s=6.0,
        wanted={KEY: "succeeded"},
        sent_ns={"e4": at(0)},
        requests=[request(1)],
        ended={KEY: Ended("succeeded", 1)},
        attempted=[attempt(1)],
        faults=[],
        deaths=[],
        moves=[],
        prompt=frozenset({"good-0"}),
    )
    return structs.replace(clean, **more)


KILL = {"faults": [fault("kill", ONE, 1.05, 3)], "deaths": [Death(ONE, at(1.05), planned=True)]}
AGAIN = {"requests": [request(1), request(8, TWO)], "attempted": [attempt(8)]}
"""Sent at 1 s, and again at 8 s; only the second is logged."""
WRITTEN_AFTER_STOP = {
    "requests": [request(8, TWO), request(12.1)],
    "attempted": [attempt(8)],
    "faults": [fault("stop", ONE, 1.05, 12)],
    "moves": [Move(ONE, "lost", at(12.5))],
}
"""Sent by another while one stood still, and by that one as soon as it went on."""


@pytest.mark.parametrize(
    ("more", "found"),
    [
        pytest.param({}, [], id="clean"),
        pytest.param({"ended": {}, "attempted": [], "requests": []}, ["lost"], id="no row"),
        pytest.param(
            {"ended": {KEY: Ended("retrying", 1)}}, ["lost"], id="not ended"
        ),
        pytest.param(
            {"requests": [request(1, status=500)], "attempted": [attempt(1, status=500)]},
            ["lost"],
            id="its receiver never took it",
        ),
        pytest.param(AGAIN, ["unexplained_repeat"], id="repeated without a fault"),
        pytest.param(AGAIN | KILL, [], id="repeated, open at a kill"),
        pytest.param(
            AGAIN | {"faults": [fault("kill", TWO, 1.05, 3)],
                     "deaths": [Death(TWO, at(1.05), planned=True)]},
            ["unexplained_repeat"],
            id="another was killed",
        ),
        pytest.param(
            AGAIN | {"faults": [fault("kill", ONE, 5, 6)],
                     "deaths": [Death(ONE, at(5), planned=True)]},
            ["unexplained_repeat"],
            id="answered long before the kill",
        ),
        pytest.param(
            AGAIN | {"faults": [fault("kill", ONE, 5, 6), fault("kill", "kafka-1", 0.5, 4)],
                     "deaths": [Death(ONE, at(5), planned=True)]},
            [],
            id="answered long before, but brokers kept its ack back",
        ),
        pytest.param(
            {"requests": [request(7), request(9, TWO)], "attempted": [attempt(9)]} | KILL,
            ["unexplained_repeat"],
            id="sent after the kill by whom was killed",
        ),
        pytest.param(
            AGAIN | {"faults": [fault("stop", ONE, 1.05, 10)],
                     "moves": [Move(ONE, "lost", at(10.1))]},
            [],
            id="repeated, open when it was stopped",
        ),
        pytest.param(WRITTEN_AFTER_STOP, [], id="one that a stop came before the first byte of"),
        pytest.param(
            WRITTEN_AFTER_STOP | {"requests": [request(8, TWO), request(13.2)]},
            ["unexplained_repeat"],
            id="sent by one that stood still, long after it went on",
        ),
        pytest.param(
            WRITTEN_AFTER_STOP | {"requests": [request(8, TWO), request(12.1, "deliverer-3#1")]},
            ["unexplained_repeat"],
            id="sent by one that did not stand still",
        ),
        pytest.param(
            WRITTEN_AFTER_STOP | {"moves": []},
            ["unexplained_repeat"],
            id="sent by one that stood still, and was not replaced",
        ),
        pytest.param(
            WRITTEN_AFTER_STOP | {"requests": [request(8), request(12.1)]},
            ["unexplained_repeat"],
            id="sent twice by one that stood still",
        ),
        pytest.param(
            WRITTEN_AFTER_STOP
            | {"requests": [request(8, TWO), request(12.1), request(12.2)]},
            ["unexplained_repeat"],
            id="sent by one that stood still, and more than one",
        ),
        pytest.param(
            {
                "requests": [request(14.2), request(21, TWO)],
                "attempted": [attempt(21)],
                "faults": [fault("stop", ONE, 1.05, 12), fault("kill", "kafka-1", 14, 18)],
                "moves": [Move(ONE, "lost", at(20))],
            },
            [],
            id="sent by one that had stood still, and lost its partitions by a broker's death",
        ),
        pytest.param(
            AGAIN | {"faults": [fault("add", "deliverer-3#1", 0.5, 2)],
                     "moves": [Move(ONE, "revoked", at(1.05))]},
            [],
            id="repeated, open when its partition moved",
        ),
        pytest.param(
            AGAIN | {"moves": [Move(ONE, "revoked", at(1.05))]},
            ["unexplained_repeat"],
            id="a move that no fault is the cause of",
        ),
        pytest.param(
            {"requests": [request(1), request(2, TWO)], "attempted": [attempt(1), attempt(2)]},
            ["unexplained_repeat"],
            id="a turn logged twice",
        ),
        pytest.param(
            {"attempted": []}, ["miscounted", "missing_attempt"], id="an attempt is missing"
        ),
        pytest.param(
            {"attempted": [attempt(1), attempt(2, turn=2)], "ended": {KEY: Ended("succeeded", 2)}},
            ["attempt_without_request"],
            id="an attempt that nobody received",
        ),
        pytest.param({"ended": {KEY: Ended("succeeded", 2)}}, ["miscounted"], id="miscounted"),
        pytest.param(
            {
                "requests": [request(4.5), request(5)],
                "attempted": [attempt(1, lasts_s=2, status=None), attempt(5, turn=2)],
                "ended": {KEY: Ended("succeeded", 2)},
            },
            [],
            id="given up by its sender before its receiver got to it",
        ),
        pytest.param(
            {
                "requests": [request(5)],
                "attempted": [attempt(1, lasts_s=2, status=None), attempt(5, turn=2)],
                "ended": {KEY: Ended("succeeded", 2)},
            },
            [],
            id="given up, and never received; answered the second time",
        ),
        pytest.param(
            {
                "requests": [request(9)],
                "attempted": [attempt(1, lasts_s=2, status=None)],
            },
            ["unexplained_repeat"],
            id="given up, and sent again long after",
        ),
        pytest.param(
            {"attempted": [attempt(1), attempt(1)], "faults": [fault("kill", "kafka-1", 1, 4)]},
            ["logged_twice"],
            id="one request is two rows",
        ),
        pytest.param(
            {"written": [attempt(1), attempt(1)]},
            ["written_twice"],
            id="an outcome is on the topic twice",
        ),
        pytest.param(
            {"written": [attempt(1), attempt(1)], "faults": [fault("kill", "kafka-1", 1, 4)]},
            [],
            id="on the topic twice when a broker died",
        ),
        pytest.param({"wanted": {}}, ["unknown_delivery"], id="a delivery nobody asked for"),
        pytest.param({"dead": 1}, ["dead"], id="something is dead"),
        pytest.param(
            {"deaths": [Death("router-1#1", at(1), planned=False)]}, ["fell"], id="fell by itself"
        ),
    ],
)  # fmt: skip
def test_what_is_found(more: dict[str, object], found: list[str]) -> None:
    assert [finding.kind for finding in check(evidence(**more)).findings] == found


def test_a_repeat_is_named_by_its_fault() -> None:
    repeats = check(evidence(**AGAIN, **KILL)).repeats
    assert [(r.request.at_ns, r.cause) for r in repeats] == [(at(1), f"kill {ONE}")]
    repeats = check(evidence(**WRITTEN_AFTER_STOP)).repeats
    assert [(r.request.at_ns, r.cause) for r in repeats] == [(at(12.1), f"stop {ONE}")]


@pytest.mark.parametrize(
    ("target", "gap_ms"),
    [
        ("router-1#1", 900.0),  # sent at 0, came at 1, the fault was at 0.1
        ("retry-1#1", 400.0),
        ("status-1#1", 700.0),
        ("postgres", 300.0),
        ("console-1#1", None),
    ],
)
def test_the_gap_after_a_fault(target: str, gap_ms: float | None) -> None:
    seen = evidence(
        faults=[fault("kill", target, 0.1, 0.5)],
        retries=[Retry(at(0.2), at(0.6)), Retry(at(5), at(9))],
        logged=[
            Logged(1, at(0.1), at(0.2)),  # seen now, and logged before
            Logged(1, at(0.1), at(0.8)),
            Logged(1, at(0.1), at(0.9)),  # that it catches up later is no gap
            Logged(1, at(5), at(9)),
        ],
    )
    [gap] = gaps(seen)
    assert (gap and gap.ms) == gap_ms


@pytest.mark.parametrize(
    ("faults", "counted_s"),
    [
        pytest.param([("kill", ONE, 0, 1)], 20, id="alone"),
        pytest.param([("kill", ONE, 0, 1), ("kill", "kafka-1", 9, 12)], 11, id="one in another"),
        pytest.param([("kill", ONE, 0, 1), ("kill", "status-1#1", 9, 12)], 20, id="other work"),
        pytest.param([("kill", ONE, 0, 1), ("kill", TWO, 12, 13)], 20, id="after its time"),
        pytest.param([("kill", ONE, 0, 1), ("kill", TWO, 20.5, 22)], 20, id="after its end"),
        pytest.param(
            [("kill", ONE, 0, 1), ("kill", TWO, 8, 9), ("stop", "kafka-1", 16, 21)], 4, id="three"
        ),
    ],
)  # fmt: skip
def test_a_gap_counts_from_the_last_fault_that_fell_into_it(
    faults: list[tuple[str, str, float, float]], counted_s: float
) -> None:
    """The session is 6 s, so the bound is 11."""
    seen = evidence(requests=[request(20)], faults=[fault(*each) for each in faults])
    gap = gaps(seen)[0]
    assert gap is not None
    assert gap.ms == 20_000
    assert gap.counted_ms == counted_s * 1000


def test_a_log_that_waits_for_postgres_is_counted_from_its_return() -> None:
    seen = evidence(
        faults=[fault("kill", "status-1#1", 1, 3), fault("away", "postgres", 0, 100)],
        logged=[Logged(1, at(0.9), at(104))],
    )
    assert [gap and gap.counted_ms for gap in gaps(seen)] == [4000, 4000]


def test_a_gap_beyond_its_bound_fails_the_run() -> None:
    seen = evidence(
        requests=[request(12)], attempted=[attempt(12)], faults=[fault("kill", "router-1#1", 0, 1)]
    )
    late, in_time = (report(seen, check(seen), 1, slack) for slack in (1, 2))
    assert not late.passed
    assert in_time.passed
    assert "late: kill router-1#1" in as_text(late)


@pytest.mark.parametrize("make", [short_plan, lambda seed: long_plan(seed, 600)])
def test_the_same_seed_gives_the_same_plan(make: Callable[[int], object]) -> None:
    assert make(7) == make(7)
    assert make(7) != make(8)


def test_a_plan_never_breaks_two_brokers_at_once() -> None:
    for seed in range(20):
        brokers = [step for step in long_plan(seed, 1800) if step.service == "kafka"]
        assert len(brokers) > 3
        for one, next_ in pairwise(brokers):
            assert one.at_s + one.lasts_s < next_.at_s
