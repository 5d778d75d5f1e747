"""The short form of `make chaos`: three brokers, one fault of each kind, and counts at the end.

Never a time: how long work stands still is for `make chaos` on a quiet machine to say.
"""

from collections import Counter

import pytest

from tests.chaos.__main__ import SHORT
from tests.chaos.plan import short_plan
from tests.chaos.report import Report, as_text
from tests.chaos.run import run

pytestmark = pytest.mark.alone
SEED = 1
SLACK = 5
"""Times what should do: this machine may be slow and busy."""


def test_killed_stopped_moved_and_cut_off_nothing_is_lost_and_every_repeat_has_its_cause() -> None:
    made = run(short_plan(SEED), SHORT, SEED, print, slack=SLACK)
    assert made.findings == [], as_text(made)
    assert made.lost == made.unexplained == 0
    assert made.requests >= made.deliveries > made.events > 0
    assert broken(made) == {
        "kill": ["deliverer", "ingest", "kafka", "retry", "router", "status"],
        "dies": ["deliverer"],
        "stop": ["deliverer"],
        "add": ["retry"],
        "leave": ["retry"],
        "away": ["postgres"],
    }


def broken(made: Report) -> dict[str, list[str]]:
    """What was done, and to whom: all of the plan."""
    found = Counter((line.fault.split()[0], line.fault.split()[-1]) for line in made.lines)
    kinds = {kind for kind, _ in found}
    return {
        kind: sorted(target.partition("-")[0] for each, target in found if each == kind)
        for kind in kinds
    }
