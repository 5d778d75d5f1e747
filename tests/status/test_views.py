"""The views on a real PostgreSQL: each outcome once, in whatever order and batches it comes."""

import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from hookstream.model.records import Attempt
from hookstream.store import log, offsets
from hookstream.store.fold import DeliveryRow, fold
from hookstream.store.logged import Logged
from hookstream.store.offsets import Fenced, Move
from hookstream.store.pool import open_pool
from hookstream.store.session import Session
from hookstream.store.settings import PostgresSettings
from hookstream.store.views import Views
from tests.status.samples import NOON_MS, at, event, move, outcome, today

Read = Logged[Any]


@pytest.fixture
def views(dsn: str) -> Views:
    session = Session(dsn)
    starts = {(topic, p): 0 for topic in ("outcomes", "events") for p in range(3)}
    offsets.begin(session.connection(), starts)
    return Views(session, 30, today)


def ask(dsn: str, question: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(question.encode()).fetchall()


def test_a_delivery_is_one_row_with_its_requests(dsn: str, views: Views) -> None:
    failed = outcome("retrying", reason="http_500", next_due_at_ms=NOON_MS + 5000)
    views.outcomes([at(failed, 0)], move(0, 1))
    assert ask(dsn, "SELECT state, turn, attempts, next_due_at_ms, reason FROM deliveries") == [
        ("retrying", 1, 1, NOON_MS + 5000, "http_500")
    ]
    views.outcomes([at(outcome(turn=2, attempt_number=2), 1)], move(1, 2))
    assert ask(dsn, "SELECT state, turn, attempts, next_due_at_ms FROM deliveries") == [
        ("succeeded", 2, 2, None)
    ]
    assert ask(dsn, "SELECT number, result, status, response_body FROM attempts ORDER BY 1") == [
        (1, "retrying", 200, b"ok"),
        (2, "succeeded", 200, b"ok"),
    ]


def test_a_deferral_updates_the_delivery_and_is_no_attempt(dsn: str, views: Views) -> None:
    late = outcome("deferred", attempt=None, attempt_number=None, response=None, reason="rate")
    views.outcomes([at(late, 0)], move(0, 1))
    assert ask(dsn, "SELECT state, attempts, reason, status FROM deliveries") == [
        ("deferred", 0, "rate", None)
    ]
    assert ask(dsn, "SELECT count(*) FROM attempts") == [(0,)]


def test_two_requests_of_one_turn_are_both_seen(dsn: str, views: Views) -> None:
    again = outcome(attempt=Attempt(started_at_ms=NOON_MS + 900, duration_ms=7, status=200))
    views.outcomes([at(outcome(), 0)], move(0, 1))
    views.outcomes([at(again, 1), at(outcome(delivery="d2"), 2)], move(1, 3))
    assert ask(dsn, "SELECT log_offset FROM attempts ORDER BY 1") == [(0,), (1,), (2,)]
    assert ask(dsn, "SELECT id, attempts, log_offset FROM deliveries ORDER BY 1") == [
        ("d1", 1, 0),
        ("d2", 1, 2),
    ]


def test_one_request_whose_outcome_is_on_the_topic_twice_is_one_row(dsn: str, views: Views) -> None:
    """In one batch, and in a later one."""
    again = outcome(attempt=Attempt(started_at_ms=NOON_MS + 900, duration_ms=7, status=200))
    views.outcomes([at(outcome(), 0), at(outcome(), 1), at(again, 2)], move(0, 3))
    views.outcomes([at(again, 3), at(outcome(delivery="d2"), 4)], move(3, 5))
    assert ask(dsn, "SELECT delivery, log_offset FROM attempts ORDER BY 1, 2") == [
        ("d1", 0),
        ("d1", 2),
        ("d2", 4),
    ]
    with open_pool(PostgresSettings(dsn=SecretStr(dsn))) as pool:
        told = [attempt.started_at_ms for attempt in log.attempts(pool, ["d1"])]
    assert told == [NOON_MS, NOON_MS + 900]


def test_a_batch_whose_offsets_moved_leaves_nothing(dsn: str, views: Views) -> None:
    views.outcomes([at(outcome(), 0)], move(0, 1))
    with pytest.raises(Fenced):
        views.outcomes([at(outcome(delivery="other"), 0)], move(0, 1))
    assert ask(dsn, "SELECT id FROM deliveries") == [("d1",)]
    assert ask(dsn, "SELECT next_offset FROM consumer_offsets WHERE topic = 'outcomes'"
               " AND partition = 0") == [(1,)]  # fmt: skip


def test_texts_that_postgres_cannot_hold_stop_nobody(dsn: str, views: Views) -> None:
    odd = outcome(subject="a\0b" + "x" * 100_000, event_type="\0", error_detail="\0")
    views.outcomes([at(odd, 0)], move(0, 1))
    odd_event = event(subject="\0" * 9000, id="e" * 9000, source="\0", type="t" * 9000)
    views.events([at(odd_event, 0)], move(0, 1, "events"))
    assert ask(dsn, "SELECT left(subject, 3) FROM deliveries") == [("a\ufffdb",)]


def test_rows_of_days_that_are_not_kept_are_left_out(dsn: str, views: Views) -> None:
    ancient = outcome(logged_at_ms=0, delivery="old")
    views.outcomes([at(ancient, 0), at(outcome(), 1)], move(0, 2))
    assert ask(dsn, "SELECT id FROM deliveries") == [("d1",)]


def test_the_first_event_stays_and_counts_its_repeats(dsn: str, views: Views) -> None:
    day_ms = 86_400_000
    views.events([at(event(), 0, at_ms=NOON_MS - day_ms)], move(0, 1, "events"))
    again = [at(event(), 1), at(event(data=b"{}"), 2), at(event(id="evt_2"), 3)]
    views.events(again, move(1, 4, "events"))
    rows = ask(dsn, "SELECT id, repeats, conflict, data, logged_at_ms FROM events ORDER BY id")
    assert rows == [
        ("evt_1", 2, True, b'{"n": 1.10}', NOON_MS - day_ms),
        ("evt_2", 0, False, b'{"n": 1.10}', NOON_MS),
    ]


TURNS = st.sampled_from([None, 1, 2, 3])
RESULTS: st.SearchStrategy[Any] = st.sampled_from(
    ["succeeded", "waiting", "retrying", "deferred", "parked", "failed", "cancelled",
     "superseded", "conflict"]
)  # fmt: skip


@st.composite
def logs(draw: st.DrawFn) -> list[Read]:
    """Outcomes of a few deliveries at distinct places in three partitions."""
    read = []
    for offset in range(draw(st.integers(1, 12))):
        turn = draw(TURNS)
        record = outcome(
            draw(RESULTS),
            delivery=draw(st.sampled_from(["a", "b", "c"])),
            turn=turn,
            attempt_number=turn,
            attempt=outcome().attempt if turn else None,
            reason=f"r{offset}",
            stated_reason=draw(st.sampled_from([None, "no stock", "ü"])),
            values=draw(st.sampled_from([None, b'{"a":1}', b'{"a":null}'])) if turn else None,
            values_note=draw(st.sampled_from([None, "no body"])) if turn else None,
            waits_until_ms=draw(st.sampled_from([None, NOON_MS])),
        )
        read.append(at(record, offset, draw(st.integers(0, 2)), NOON_MS + draw(st.integers(0, 3))))
    return read


def cut(read: Sequence[Read], sizes: Sequence[int]) -> list[Sequence[Read]]:
    batches, start = [], 0
    for size in [*sizes, len(read)]:
        batches.append(read[start : start + size])
        start += size
    return [batch for batch in batches if batch]


def tables(dsn: str, batches: Sequence[Sequence[Read]]) -> tuple[Any, ...]:
    """What the tables hold after these batches."""
    session = Session(dsn)
    connection = session.connection()
    connection.execute("TRUNCATE deliveries, attempts, parked, consumer_offsets")
    offsets.begin(connection, {("outcomes", 0): 0})
    views = Views(session, 30, today)
    for number, batch in enumerate(batches):
        views.outcomes(batch, [Move("outcomes", 0, number, number + 1)])
    columns = ", ".join(DeliveryRow._fields)
    deliveries = connection.execute(f"SELECT {columns} FROM deliveries ORDER BY id".encode())
    attempts = connection.execute("SELECT * FROM attempts ORDER BY 1, 2, 3, 4")
    parked = connection.execute("SELECT * FROM parked ORDER BY 1, 2, 3")
    found = deliveries.fetchall(), attempts.fetchall(), parked.fetchall()
    session.close()
    return found


@given(data=st.data(), read=logs())
@settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_order_and_batches_change_nothing_and_sql_folds_as_python(
    dsn: str, data: st.DataObject, read: list[Read]
) -> None:
    shuffled = data.draw(st.permutations(read))
    sizes = data.draw(st.lists(st.integers(1, 5), max_size=6))
    together, apart = tables(dsn, [read]), tables(dsn, cut(shuffled, sizes))
    assert together == apart
    assert [DeliveryRow(*row) for row in together[0]] == fold(read)
    waiting = {row[2] for row in together[2]}
    assert waiting == {row.id for row in fold(read) if row.state == "parked"}


def test_no_list_scans_a_table(dsn: str, views: Views) -> None:
    read: list[Read] = [
        at(outcome(delivery=str(uuid.uuid4()), event=f"e{n}", webhook=f"w{n % 50}"), n)
        for n in range(3000)
    ]
    views.outcomes(read, move(0, 3000))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ANALYZE deliveries")
        for where, by in (
            ("workspace = 'ws'", "logged_at_ms DESC"),
            ("workspace = 'ws' AND subject = 's'", "logged_at_ms DESC"),
            ("workspace = 'ws' AND state <> 'succeeded'", "logged_at_ms DESC"),
            ("workspace = 'ws' AND state = 'failed'", "logged_at_ms DESC"),
            ("webhook = 'w1'", "logged_at_ms DESC"),
            ("webhook = 'w1' AND state = 'failed'", "logged_at_ms DESC"),
            ("workspace = 'ws' AND event = 'e7'", "id"),
        ):
            plan = connection.execute(
                f"EXPLAIN SELECT * FROM deliveries WHERE {where} ORDER BY {by} LIMIT 20".encode()
            ).fetchall()
            assert not any("Seq Scan" in line for (line,) in plan), plan
