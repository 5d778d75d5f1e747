"""`hookstream bench`: what this machine does, and beside it the bare loop in the same run."""

import sys
from pathlib import Path
from types import ModuleType

import click

from services.cli.up import explained

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("rows", nargs=-1)
@click.option("--json", "file", type=click.Path(path_type=Path), help="write all rows there too")
@click.option(
    "--events", type=_FILE, help='JSON lines {"type": …, "data": …}: rows with these payloads too'
)
@click.option(
    "--count", type=click.IntRange(100), default=20_000, show_default=True, help="events a row"
)
@click.option(
    "--backlog",
    type=click.IntRange(1_000, 1_000_000),
    default=100_000,
    show_default=True,
    help="records that wait in the rows of that name",
)
@click.option(
    "--repeat",
    type=click.IntRange(1, 50),
    default=1,
    show_default=True,
    help="run each row so often, the floor next to each; medians and spread are shown",
)
@click.option(
    "--against",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="another checkout: its services do the same in turn with ours, and both are compared",
)
@click.option(
    "--compare",
    nargs=2,
    type=click.Path(path_type=Path),
    help="measure nothing: two files of --json, OLD and NEW",
)
def command(
    rows: tuple[str, ...],
    file: Path | None,
    events: Path | None,
    count: int,
    backlog: int,
    repeat: int,
    against: Path | None,
    compare: tuple[Path, Path] | None,
) -> None:
    """Measure throughput, CPU seconds by process and delays: the usual ROWS, or those named.

    Everything runs on this machine, load and receiver too. A row whose receiver has not seen
    exactly what was sent fails. See docs/performance.md for what each row is.
    """
    bench = _bench()
    if compare:
        _compare(bench, *compare)
        return
    _check(against)
    try:
        wanted = bench.named(rows, events)
    except bench.UnknownRow as error:
        raise click.UsageError(str(error)) from error
    with explained():
        sizes = bench.Sizes(events=count, big_events=max(count // 5, 1), backlog=backlog)
        done = bench.run(wanted, sizes, events, click.echo, repeat, against)
        if file:
            bench.table.save(done, file)
        sys.exit(1 if any(row.failed for row in done) else 0)
    sys.exit(130)


def _bench() -> ModuleType:
    try:
        from bench import run
    except ImportError as error:
        raise click.ClickException("the bench comes with the source: see README") from error
    return run


def _check(against: Path | None) -> None:
    if against and not (against / "services" / "cli" / "main.py").is_file():
        raise click.BadParameter(
            f"{against} is no checkout of Hookstream: there is no services/cli/main.py in it",
            param_hint="--against",
        )


def _compare(bench: ModuleType, old: Path, new: Path) -> None:
    """Differences are no failure, whatever they say; a file that holds no rows is."""
    try:
        told = bench.compared(bench.table.load(old), bench.table.load(new))
    except bench.table.NotRows as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(told).lstrip("\n"))
