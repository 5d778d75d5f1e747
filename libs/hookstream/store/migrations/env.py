"""Run by alembic for each migration; the connection is given by `hookstream.store.migrate`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
