"""`hookstream offsets`: where each consumer group stands, and how to set it (once.md 3)."""

from collections.abc import Iterator

import click

from hookstream.model.records import GroupNote
from hookstream.stream.bounds import Bounds, bounds
from hookstream.stream.groups import committed, set_offsets
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.window import Committed, Window
from services.cli.environment import read


@click.command()
@click.option("--group", help="the group to set; it must be stopped")
@click.option("--topic", help="its topic")
@click.option("--to", type=click.Choice(["earliest", "end"]), help="where it is to go on")
def command(group: str | None, topic: str | None, to: str | None) -> None:
    """Show where each group stands. With --group, --topic and --to: set a stopped group."""
    kafka = read(KafkaSettings)
    groups = noted(kafka)
    if group and topic and to:
        _set(kafka, groups, group, topic, to)
    elif group or topic or to:
        raise click.UsageError("--group, --topic and --to belong together")
    for line in _shown(kafka, groups):
        click.echo(line)


def noted(kafka: KafkaSettings) -> dict[str, GroupNote]:
    """The groups that have started once, as config has them."""
    table = Table(kafka, "hookstream-offsets-config")
    try:
        table.catch_up()
        return dict(table.config.groups)
    finally:
        table.close()


def _set(
    kafka: KafkaSettings, groups: dict[str, GroupNote], group: str, topic: str, to: str
) -> None:
    if group not in groups or topic not in groups[group].partitions:
        raise click.UsageError(f"no group {group} reads {topic}: {', '.join(groups) or 'none is'}")
    found = bounds(kafka, topic, groups[group].partitions[topic])
    offsets = {p: b.start if to == "earliest" else b.end for p, b in found.items()}
    set_offsets(kafka, group, topic, offsets)
    click.echo(f"{group} goes on at {to} of {topic}.")


def _shown(kafka: KafkaSettings, groups: dict[str, GroupNote]) -> Iterator[str]:
    yield f"{'group':24} {'topic':14} {'partition':>9} {'offset':>10} {'behind':>10}  whose"
    for group, note in sorted(groups.items()):
        for topic, partitions in note.partitions.items():
            at = committed(kafka, group, topic, partitions)
            for p, bound in bounds(kafka, topic, partitions).items():
                mine = at.get(p)
                where = f"{mine.offset:>10} {bound.end - mine.offset:>10}" if mine else " " * 21
                whose = _whose(mine, bound)
                yield f"{group:24} {topic:14} {p:>9} {where}  {whose}"


def _whose(mine: Committed | None, bound: Bounds) -> str:
    """Whether the offset is one of ours, and whether the log still has what it says comes next."""
    if mine is None:
        return "missing, or not ours: set it"
    lost = Window(mine).skip_to(bound.start)
    return f"ours; {lost} deleted before they were read" if lost else "ours"
