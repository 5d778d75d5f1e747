"""`make chaos ARGS="--minutes 10 --seed 7"`: breaks a whole system by a plan, and checks the end.

Exit status 1 if anything was lost, repeated without a cause, miscounted, or still for too long.
"""

import sys
from pathlib import Path

import click
import msgspec

from services.cli.up import explained
from tests.chaos.plan import IN_SHORT, long_plan, short_plan
from tests.chaos.report import Report, as_text
from tests.chaos.run import run
from tests.chaos.scene import Size

SHORT = Size(session_s=6.0, events_per_s=25.0, partitions=4, delayed=2, two_of=IN_SHORT)


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="how long; 0: the short plan")
@click.option("--seed", default=1, show_default=True, help="the same seed gives the same plan")
@click.option("--rate", default=100.0, show_default=True, help="events a second")
@click.option("--session", default=10.0, show_default=True, help="seconds till a member is dead")
@click.option(
    "--slack", default=1.0, show_default=True, help="times the bounds, if it is busy here"
)
@click.option("--json", "file", type=click.Path(path_type=Path), help="write the report there too")
@click.option("--plan", "only_plan", is_flag=True, help="print the plan and do nothing")
def main(
    minutes: float,
    seed: int,
    rate: float,
    session: float,
    slack: float,
    file: Path | None,
    only_plan: bool,
) -> None:
    """Kill, stop, move and take away, under load, by a plan from SEED; then check that nothing was
    lost and nothing repeated without a cause."""
    size = Size(session, rate, partitions=8, delayed=2) if minutes else SHORT
    plan = long_plan(seed, minutes * 60) if minutes else short_plan(seed)
    if only_plan:
        for step in plan:
            click.echo(
                f"{step.at_s:7.1f} s  {step.kind} {step.target} {step.lasts_s:.0f} s {step.point}"
            )
        return
    with explained():
        made = run(plan, size, seed, click.echo, slack=slack)
        _tell(made, file)
        sys.exit(0 if made.passed else 1)
    sys.exit(130)


def _tell(made: Report, file: Path | None) -> None:
    click.echo("\n" + as_text(made))
    if file:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(made)) + b"\n")


if __name__ == "__main__":
    main()
