"""What stands on the dead topic, as a workspace sees it: what was refused, and why."""

from msgspec import Struct
from psycopg.rows import class_row

from hookstream.store.pool import Pool


class Refused(Struct, frozen=True, kw_only=True):
    """One record that could not be read or had to be refused."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    at_ms: int
    event: str | None
    event_type: str | None


def refused(
    pool: Pool, workspace: str, before: tuple[int, str, int, int] | None, limit: int
) -> list[Refused]:
    """Newest first, those before (at_ms, topic, partition, offset)."""
    at_ms, *place = before or (2**62, "", 0, 0)
    with pool.connection() as c, c.cursor(row_factory=class_row(Refused)) as cursor:
        return cursor.execute(
            'SELECT topic, partition, "offset", reason, detail, at_ms, event, event_type FROM dead'
            " WHERE workspace = %s AND at_ms <= %s"
            ' AND (at_ms < %s OR (topic, partition, "offset") < (%s, %s, %s))'
            ' ORDER BY at_ms DESC, topic DESC, partition DESC, "offset" DESC LIMIT %s',
            (workspace, at_ms, at_ms, *place, limit),
        ).fetchall()
