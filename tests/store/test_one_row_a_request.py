"""A database in which one request was two rows: the migration that ends that."""

import psycopg

from hookstream.store.migrate import migrate

COPIES = """
ALTER TABLE attempts DROP CONSTRAINT attempts_pkey;
ALTER TABLE attempts ADD PRIMARY KEY (delivery, turn, log_partition, log_offset, day);
UPDATE alembic_version SET version_num = '0004';
CREATE TABLE attempts_any PARTITION OF attempts DEFAULT;
INSERT INTO attempts (delivery, turn, started_at_ms, log_partition, log_offset, day, number,
    result, webhook_version, duration_ms, truncated)
SELECT 'd1', 1, started_at_ms, 0, log_offset, '2026-01-01', 1, 'succeeded', 1, 5, false
FROM (VALUES (100, 7), (100, 8), (100, 9), (900, 10)) AS told (started_at_ms, log_offset)
"""


def test_of_copies_the_first_stays(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(COPIES)
        migrate(database)
        found = connection.execute("SELECT started_at_ms, log_offset FROM attempts ORDER BY 2")
        assert found.fetchall() == [(100, 7), (900, 10)]
