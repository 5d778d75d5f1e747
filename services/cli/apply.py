"""`hookstream apply`: a workspace's configuration from files, the difference shown first."""

import click

from services.cli.api import Api
from services.cli.configured import Configured
from services.cli.differences import Step, lines, steps
from services.cli.wanted import read

DIFFERS = 2
"""Exit status of --dry-run where something is not as the files say."""


@click.command()
@click.option("-f", "--file", "files", multiple=True, required=True, help="a file, or a folder")
@click.option("--prune", is_flag=True, help="delete what the files do not name")
@click.option("--dry-run", is_flag=True, help=f"only show; exit status {DIFFERS} if it differs")
@click.option("--yes", is_flag=True, help="do not ask")
@click.option("--url", default="http://127.0.0.1:8800", show_default=True, help="of console")
@click.option("--key", envvar="HOOKSTREAM_KEY", required=True, help="an admin's API key")
def command(
    files: tuple[str, ...], prune: bool, dry_run: bool, yes: bool, url: str, key: str
) -> None:
    """Make a workspace's event types, policies, integrations and webhooks what FILEs say.

    Things are known by name. What a file leaves out of a thing stays as it is, and so do things
    that no file names, unless --prune. Applied again, it changes nothing.
    """
    wanted = read(files)
    with Api(url, key) as api:
        configured = Configured(api)
        configured.check_fields(wanted)
        found = steps(wanted, configured.read(), prune=prune)
        _show(found)
        if dry_run:
            raise SystemExit(DIFFERS if found else 0)
        if found and not yes:
            click.confirm("Apply?", abort=True)
        for step in found:
            configured.do(step)
    if found:
        click.echo("Applied.")


def _show(found: list[Step]) -> None:
    for step in found:
        click.echo("\n".join(lines(step)))
    if not found:
        click.echo("Nothing differs.")
        return
    counts = {a: sum(s.action == a for s in found) for a in ("create", "change", "delete")}
    click.echo(", ".join(f"{count} to {action}" for action, count in counts.items() if count))
