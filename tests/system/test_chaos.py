"""The short form of `make chaos`: three brokers, two of each service, one fault of each kind."""

import pytest

from tests.chaos.__main__ import SHORT
from tests.chaos.plan import short_plan
from tests.chaos.report import as_text
from tests.chaos.run import run

pytestmark = pytest.mark.alone
SEED = 1
SLACK = 5
"""Times what should do: this machine may be slow, and busy with other tests."""


def test_killed_stopped_moved_and_cut_off_nothing_is_lost_and_every_repeat_has_its_cause() -> None:
    made = run(short_plan(SEED), SHORT, SEED, print, slack=SLACK)
    assert made.passed, as_text(made)
    assert {line.fault.split(" ")[0] for line in made.lines} == {
        "kill", "dies", "stop", "add", "leave", "away",
    }  # fmt: skip
    assert made.lost == made.unexplained == 0
    assert made.events > 0
    assert made.requests >= made.deliveries
