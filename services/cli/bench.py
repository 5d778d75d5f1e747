"""`hookstream bench`: what this machine does, and beside it the bare loop in the same run."""

import sys
from pathlib import Path

import click

from services.cli.up import explained


@click.command()
@click.argument("rows", nargs=-1)
@click.option("--json", "file", type=click.Path(path_type=Path), help="write all rows there too")
@click.option(
    "--events",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='JSON lines {"type": …, "data": …}: rows with these payloads too',
)
@click.option("--count", default=20_000, show_default=True, help="events a row")
def command(rows: tuple[str, ...], file: Path | None, events: Path | None, count: int) -> None:
    """Measure throughput, CPU seconds by process and delays: all ROWS, or those named.

    Everything runs on this machine, load and receiver too. A row whose receiver has not seen
    exactly what was sent fails. See docs/performance.md.
    """
    try:
        from bench import run as bench
        from bench import table
        from bench.rows import Sizes
    except ImportError as error:
        raise click.ClickException("the bench comes with the source: see README") from error
    known = bench.NAMES + (bench.OF_FILE if events else ())
    if unknown := set(rows) - set(known):
        raise click.UsageError(f"no row {', '.join(sorted(unknown))}: {', '.join(known)}")
    with explained():
        sizes = Sizes(events=count, big_events=max(count // 5, 1))
        done = bench.run(rows or known, sizes, events, click.echo)
        if file:
            table.save(done, file)
        sys.exit(1 if any(row.failed for row in done) else 0)
    sys.exit(130)
