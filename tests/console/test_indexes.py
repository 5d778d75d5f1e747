"""No query of the console scans a table."""

import psycopg

from hookstream.store.pool import Pool
from tests.console.logged import log_dead, log_delivery, log_something
from tests.console.served import OPERATOR, call, serving, side
from tests.console.test_webhooks import URL
from tests.fixtures.kafka import wait_until

STILL = 30
"""Equal counts in a row, one each 20 ms."""
ASKED = (
    "/v1/workspaces/ours",
    "/v1/keys?limit=2&cursor=WyJrIl0",
    "/v1/webhooks",
    "/v1/webhooks/{webhook}",
    "/v1/webhooks/{webhook}/tests/{trial}",
    "/v1/event-types",
    "/v1/policies",
    "/v1/log/events?subject=c-1",
    "/v1/log/events?type=x&from=2026-01-01",
    "/v1/log/events/{event}",
    "/v1/log/deliveries?webhook={webhook}&state=failed",
    "/v1/log/deliveries?subject=c-1&till=2100-01-01",
    "/v1/log/deliveries?state=failed",
    "/v1/log/deliveries/{delivery}",
    "/v1/log/deliveries/{delivery}/attempts",
    "/v1/log/dead",
)


def test_every_query_has_its_index(database: str, pool: Pool) -> None:
    name = database.rpartition("/")[2]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET enable_seqscan = off'.encode())
        with serving(database) as (url, _):
            ours = side(url, "ours")
            webhook = ours.made("/v1/webhooks", {"url": URL})["id"]
            delivery, event = log_something(pool, "ours", webhook, result="failed")
            trial = log_delivery(pool, "ours", webhook, "evt_test_1", kind="test")
            log_dead(pool, "ours", 1)
            pool.close()  # new partitions are read once, for their indexes; that counts too
            before = settled(connection)
            for path in ASKED:
                made = path.format(webhook=webhook, delivery=delivery, event=event, trial=trial)
                assert ours.call("GET", made).status_code == 200, path
            assert ours.call("POST", f"/v1/log/deliveries/{delivery}/resend").status_code == 202
            assert ours.call("DELETE", f"/v1/webhooks/{webhook}").status_code == 202
            assert call(url, OPERATOR, "GET", "/v1/workspaces").status_code == 200
        assert scans(connection) == before


def settled(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """The count once it stands still: a session that ended tells its own a moment later."""
    seen: list[list[tuple[object, ...]]] = []

    def stands_still() -> bool:
        seen.append(scans(connection))
        return len(seen) > STILL and all(one == seen[-1] for one in seen[-STILL:])

    wait_until(stands_still)
    return seen[-1]


def scans(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """How often each table was read from end to end; sessions that ended have told theirs."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    return connection.execute(
        "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE seq_scan > 0 ORDER BY relname"
    ).fetchall()
