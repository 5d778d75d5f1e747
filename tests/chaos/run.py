"""One run: start, load, break, wait for the end, check."""

import time
from collections.abc import Callable

from tests.chaos.breaking import Breaker
from tests.chaos.check import SLACK_S, check
from tests.chaos.gathering import LogWatch, await_end, gather
from tests.chaos.plan import Step
from tests.chaos.report import Report, report
from tests.chaos.scene import Size, scene

AFTER_S = 2.0
"""The load goes on for so long after the last fault."""


def run(
    plan: list[Step],
    size: Size,
    seed: int,
    tell: Callable[[str], None],
    *,
    slack: float = 1.0,
    end_within_s: float = 120.0,
) -> Report:
    """The report; `slack`: times what should do, for gaps and for acks on a busy machine."""
    tell("three brokers, Postgres and all services start")
    with scene(size) as made:
        log, breaker = LogWatch(made.dsn), Breaker(made, plan, tell)
        with log.running():
            made.load.start()
            breaker.run()
            time.sleep(AFTER_S)
            made.load.stop()
            tell(f"{len(made.load.accepted)} events accepted; waiting for the last delivery")
            await_end(made, end_within_s)
        evidence = gather(made, breaker, log)
        failures = [*breaker.failures, *made.load.failures]
        failures += [f"never accepted: {id_}" for id_ in sorted(made.load.unaccepted)]
    return report(evidence, check(evidence, SLACK_S * slack), seed, slack, failures)
