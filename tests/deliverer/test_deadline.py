"""A deadline ends what waits, and hides no cancellation of anybody else's."""

import asyncio
import time

import pytest
import uvloop

from services.deliverer.deadline import Deadlines


async def test_what_waits_past_it_ends_and_the_task_goes_on() -> None:
    with pytest.raises(TimeoutError), Deadlines().within(0.01):
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_what_ends_in_time_hears_nothing_of_it() -> None:
    with Deadlines().within(0.01):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)


async def test_an_error_within_passes_through() -> None:
    with pytest.raises(KeyError), Deadlines().within(1):
        raise KeyError


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def wait() -> None:
        with Deadlines().within(0.01):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                task.cancel()  # somebody else, at the same moment
                raise

    task = asyncio.ensure_future(wait())
    with pytest.raises(asyncio.CancelledError):
        await task
    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_it_never_ends_anything_early_on_a_clock_of_whole_milliseconds() -> None:
    async def wait() -> float:
        begun = time.monotonic()
        with pytest.raises(TimeoutError), Deadlines().within(0.0105):
            await asyncio.Event().wait()
        return time.monotonic() - begun

    async def waits() -> list[float]:
        return [await wait() for _ in range(50)]

    assert min(uvloop.run(waits())) >= 0.0105


async def test_a_cancellation_that_says_more_is_kept_as_the_cause() -> None:
    class Further(asyncio.CancelledError):
        pass

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raise Further from error

    with pytest.raises(TimeoutError) as late, Deadlines().within(0.01):
        await wait()
    assert isinstance(late.value.__cause__, Further)


async def test_one_timer_serves_all_and_each_ends_in_its_own_time() -> None:
    deadlines, ended = Deadlines(), []

    async def wait(after_s: float, name: str) -> None:
        with pytest.raises(TimeoutError), deadlines.within(after_s):
            await asyncio.Event().wait()
        ended.append(name)

    async def answered() -> None:
        with deadlines.within(0.5):
            await asyncio.sleep(0)

    begun = time.monotonic()
    tasks = [asyncio.ensure_future(wait(0.5, "first"))]
    for _ in range(100):
        await answered()
    tasks.append(asyncio.ensure_future(wait(0.2, "shorter")))
    await asyncio.sleep(0.1)
    tasks.append(asyncio.ensure_future(wait(0.5, "later")))
    await asyncio.gather(*tasks)
    assert ended == ["shorter", "first", "later"]
    assert time.monotonic() - begun >= 0.6


async def test_what_ended_is_not_remembered() -> None:
    deadlines = Deadlines()
    deadline = deadlines.within(60)
    with deadline:
        pass
    for _ in range(1000):
        with deadlines.within(60):
            await asyncio.sleep(0)
    assert len(deadline._row.queue) == 0
