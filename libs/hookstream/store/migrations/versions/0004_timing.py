"""Which points each request's turn passed: for `hookstream why`."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column that may be empty: readers and writers of the version before go on."""
    op.execute("ALTER TABLE attempts ADD COLUMN timing bytea")


def downgrade() -> None:
    """As it was."""
    op.execute("ALTER TABLE attempts DROP COLUMN timing")
