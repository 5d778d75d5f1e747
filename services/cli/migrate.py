"""`hookstream migrate`."""

import click

from hookstream.store.migrate import DatabaseError, migrate, newest
from hookstream.store.settings import PostgresSettings
from services.cli.environment import read


@click.command()
def command() -> None:
    """Bring the database to this version. Safe to run from many places at once."""
    dsn = read(PostgresSettings).dsn.get_secret_value()
    try:
        migrate(dsn)
    except DatabaseError as error:
        raise click.ClickException(f"the database does not answer: {error}") from error
    click.echo(f"The database is at revision {newest()}.")
