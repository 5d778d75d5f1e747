"""`hookstream`: each command is a module of its own, imported when it is asked for."""

from importlib import import_module

import click

from services.cli.settings import SERVICES

COMMANDS = {
    "up": "Start everything on this machine and stay up.",
    "demo": "Start everything, send events to receivers that fail, check what arrived.",
    "send": "Send one event.",
    "apply": "Make a workspace's configuration what files say.",
    "why": "Tell where the time of one delivery went.",
    "listen": "Forward events to a port of this machine.",
    "event-types": "Import a catalogue of event types.",
    "topics": "Create our topics in Kafka.",
    "doctor": "Check everything Hookstream stands on, and say what to do.",
    "migrate": "Bring the database to this version.",
    "restore": "Refill a lost Postgres from Kafka.",
    "sending": "Stop all sending at once, and start it again.",
    "offsets": "Show where each consumer group stands, or set it.",
    "bench": "Measure throughput, CPU and delays on this machine.",
}
"""Each is `services/cli/<name>.py`, `_` for `-`, with a click command `command`."""


class Commands(click.Group):
    """Commands found by name, so that starting a service loads that service alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names: commands first, then the services."""
        return [*COMMANDS, *SERVICES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command with this name, or None."""
        if cmd_name in SERVICES:
            return _service(cmd_name)
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"services.cli.{cmd_name.replace('-', '_')}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The overview, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        with formatter.section("Services, one a process"):
            formatter.write_dl([(name, f"Start the service {name}.") for name in SERVICES])


def _service(name: str) -> click.Command:
    def start() -> None:
        from hookstream.process.run import run
        from services.cli.settings import known

        run(name, import_module(f"services.{name}.main").main, known=known())

    return click.Command(name, callback=start, help=f"Start the service {name}.")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Hookstream: outbound webhooks as event streaming.

    All settings are environment variables, HOOKSTREAM_<SECTION>_<FIELD>.
    """


if __name__ == "__main__":
    main(prog_name="hookstream")
