"""One request is one row of attempts, also where its outcome is on the topic twice."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BY_REQUEST = "delivery, turn, started_at_ms, day"
_BY_RECORD = "delivery, turn, log_partition, log_offset, day"


def upgrade() -> None:
    """Two requests of one turn began at different times; two records of one request did not."""
    op.execute(
        "DELETE FROM attempts AS later USING attempts AS first"
        " WHERE (later.delivery, later.turn, later.started_at_ms, later.day)"
        " = (first.delivery, first.turn, first.started_at_ms, first.day)"
        " AND (later.log_partition, later.log_offset) > (first.log_partition, first.log_offset)"
    )
    _key(_BY_REQUEST)


def downgrade() -> None:
    """As it was, without the copies."""
    _key(_BY_RECORD)


def _key(columns: str) -> None:
    op.execute("ALTER TABLE attempts DROP CONSTRAINT attempts_pkey")
    op.execute(f"ALTER TABLE attempts ADD PRIMARY KEY ({columns})")
