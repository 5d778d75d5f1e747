"""What waits in Postgres, counted for whoever watches over the system. Cheap whatever there is."""

from typing import NamedTuple

from hookstream.store.pool import Cursor

COUNTED = 100_000
_DAY_MS = 86_400_000
_QUERY = """
SELECT
    (SELECT count(*) FROM (SELECT FROM outbox LIMIT %(most)s) AS o),
    (SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0) FROM
        (SELECT created_at FROM outbox ORDER BY id LIMIT 1) AS oldest),
    (SELECT count(*) FROM (SELECT FROM parked LIMIT %(most)s) AS p),
    (SELECT min(logged_at_ms) FROM parked),
    (SELECT count(*) FROM (SELECT FROM dead WHERE at_ms > %(since)s LIMIT %(most)s) AS d)
"""


class Survey(NamedTuple):
    """Counts up to `COUNTED`, ages in seconds."""

    at: float
    """When it was made, by the caller's clock."""
    outbox: int
    outbox_oldest_s: float
    parked: int
    parked_oldest_s: float
    dead: int
    """Dead letters of the last 24 hours."""


def survey(cursor: Cursor, at: float, now_ms: int) -> Survey:
    """Look once."""
    found = cursor.execute(_QUERY, {"most": COUNTED, "since": now_ms - _DAY_MS}).fetchone()
    assert found is not None  # noqa: S101 - one row, always
    waiting, oldest_s, parked, parked_ms, dead = found
    age_s = max(0.0, (now_ms - parked_ms) / 1000) if parked_ms is not None else 0.0
    return Survey(at, waiting, max(0.0, float(oldest_s)), parked, age_s, dead)
