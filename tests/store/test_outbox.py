"""The outbox: rows wait in order, one holder at a time, and who waits for a row is woken."""

import asyncio
import threading
from collections.abc import Iterator
from time import monotonic

import psycopg
import pytest

from hookstream.model.records import Workspace
from hookstream.store import outbox
from hookstream.store.outbox import Holder
from hookstream.store.pool import Pool
from hookstream.store.published import Published

WITHIN_S = 60


def put(pool: Pool, name: str) -> int:
    with pool.connection() as connection, connection.cursor() as cursor:
        record = Workspace(id=name, version=1, name=name)
        return outbox.put(cursor, "config", f"workspace/{name}", record, "00-aa-bb-01")


async def listening_by(published: Published) -> None:
    async with asyncio.timeout(WITHIN_S):
        await published.listening.wait()


def acquired_by(holder: Holder) -> None:
    """The server ends the other's session in its own time."""
    deadline = monotonic() + WITHIN_S
    while not holder.acquire():
        assert monotonic() < deadline
        holder.wait(0.05)


@pytest.fixture
def holder(database: str) -> Iterator[Holder]:
    """One that the server lets stand still, however long a busy machine needs for a step."""
    opened = Holder(database)
    opened.connection.execute("SET idle_session_timeout = 0")
    yield opened
    opened.close()


def test_rows_come_in_order_and_go_when_deleted(pool: Pool, holder: Holder) -> None:
    ids = [put(pool, name) for name in "abc"]
    rows = outbox.oldest(holder.connection, 2)
    assert [row.id for row in rows] == ids[:2]
    assert rows[0].decoded() == Workspace(id="a", version=1, name="a")
    assert rows[0].traceparent == "00-aa-bb-01"
    assert outbox.delete(holder.connection, [ids[0], ids[1], 10**12]) == set(ids[:2])
    assert outbox.delete(holder.connection, ids[:2]) == set()
    assert [row.id for row in outbox.oldest(holder.connection, 9)] == ids[2:]


def test_rows_of_one_topic_may_wait_and_the_others_do_not(pool: Pool, holder: Holder) -> None:
    """While partitions grow deliveries wait (once.md 13)."""
    before = put(pool, "a")
    with pool.connection() as connection, connection.cursor() as cursor:
        held = outbox.put(cursor, "deliveries", "lane", Workspace(id="b", version=1, name="b"))
    after = put(pool, "c")
    assert [r.id for r in outbox.oldest(holder.connection, 9, "deliveries")] == [before, after]
    assert [r.id for r in outbox.oldest(holder.connection, 9)] == [before, held, after]


def test_a_page_is_bounded_by_bytes_too(pool: Pool, holder: Holder) -> None:
    ids = [put(pool, name * 100) for name in "abc"]
    size = len(outbox.oldest(holder.connection, 1)[0].record)

    def page(most_bytes: int) -> list[int]:
        return [r.id for r in outbox.oldest(holder.connection, 9, most_bytes=most_bytes)]

    assert [page(1), page(size), page(size + 1)] == [ids[:1], ids[:1], ids[:2]]
    assert page(3 * size) == ids
    with holder.connection.cursor() as cursor:
        assert outbox.configuring(cursor) == {f"workspace/{name * 100}" for name in "abc"}


def test_a_row_that_commits_late_is_not_passed_over(pool: Pool, holder: Holder) -> None:
    with pool.connection() as slow, slow.cursor() as cursor:
        late = outbox.put(cursor, "config", "workspace/l", Workspace(id="l", version=1, name="l"))
        early = put(pool, "e")
        assert late < early
        assert outbox.delete(
            holder.connection, [r.id for r in outbox.oldest(holder.connection, 9)]
        ) == {early}
    assert [row.id for row in outbox.oldest(holder.connection, 9)] == [late]


def test_the_holder_is_woken_by_a_new_row(pool: Pool, holder: Holder) -> None:
    timer = threading.Timer(0.1, put, (pool, "a"))
    timer.start()
    assert holder.wait(WITHIN_S)
    timer.join()
    assert not holder.wait(0.01)


def test_there_is_one_holder(database: str, holder: Holder) -> None:
    assert holder.acquire()
    other = Holder(database)
    assert not other.acquire()
    holder.close()
    acquired_by(other)
    other.close()


def test_a_holder_that_stands_still_loses_the_outbox(database: str, holder: Holder) -> None:
    assert holder.acquire()
    holder.connection.execute("SET idle_session_timeout = '300ms'")
    other = Holder(database)
    acquired_by(other)
    with pytest.raises(psycopg.OperationalError):
        outbox.delete(holder.connection, [1])
    other.close()


def test_the_age_of_the_oldest_row_is_told(pool: Pool, holder: Holder) -> None:
    assert outbox.oldest_age_s(holder.connection) == 0
    put(pool, "a")
    assert 0 < outbox.oldest_age_s(holder.connection) < 60


async def test_who_waits_for_rows_is_woken_when_all_are_published(
    database: str, pool: Pool, holder: Holder
) -> None:
    published = Published(database)
    listening = asyncio.create_task(published.run())
    await listening_by(published)
    ids = [await asyncio.to_thread(put, pool, name) for name in "ab"]
    assert not await published.wait(ids, 0.05)
    assert outbox.waits(pool, ids)
    waiting = asyncio.create_task(published.wait(ids, WITHIN_S))
    await asyncio.to_thread(outbox.delete, holder.connection, ids[:1])
    await asyncio.sleep(0)
    assert not waiting.done()
    await asyncio.to_thread(outbox.delete, holder.connection, ids[1:])
    assert await waiting
    assert await published.wait(ids, 0)
    assert not outbox.waits(pool, ids)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_a_page_of_a_thousand_deletes_is_told_whole(
    database: str, pool: Pool, holder: Holder
) -> None:
    published = Published(database)
    listening = asyncio.create_task(published.run())
    with pool.connection() as connection, connection.cursor() as cursor:
        record = Workspace(id="w", version=1, name="w")
        ids = [outbox.put(cursor, "config", "workspace/w", record) for _ in range(1000)]
    waiting = asyncio.create_task(published.wait(ids, WITHIN_S))
    await listening_by(published)
    await asyncio.to_thread(outbox.delete, holder.connection, ids)
    assert await waiting
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
