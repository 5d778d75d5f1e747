"""While one version takes over from another, both start: the older one leaves the tables alone."""

import psycopg

from hookstream.store.migrate import migrate, newest
from hookstream.store.upgrade import head


def test_a_database_of_a_later_version_is_left_as_it_is(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        query = "SELECT version_num FROM alembic_version"
        assert connection.execute(query).fetchone() == (newest(),)
        connection.execute("UPDATE alembic_version SET version_num = 'later'")
        migrate(database)
        assert connection.execute(query).fetchone() == ("later",)
        connection.execute("UPDATE alembic_version SET version_num = %s", (newest(),))
        migrate(database)
        assert connection.execute(query).fetchone() == (newest(),)


def test_files_are_named_by_their_revisions() -> None:
    """So that a start need not load alembic to know which is the newest."""
    assert newest() == head()
