"""Reading config to its end: shared, not too often, never a read that began too early."""

import asyncio
import time

import pytest

from hookstream.stream.table import ConfigUnreachable
from services.ingest.catching_up import EVERY_S, CatchingUp
from services.ingest.problems import Problem


async def test_all_who_wait_share_one_read_that_began_after_they_asked() -> None:
    begun: list[float] = []

    def read() -> None:
        begun.append(time.monotonic())
        time.sleep(0.02)

    catching_up = CatchingUp(read)
    for _ in range(5):
        asked = time.monotonic()
        await asyncio.gather(*(catching_up() for _ in range(100)))
        assert begun[-1] >= asked
    assert len(begun) <= 10
    # Each may begin late on a busy machine, and the next one in its time: so all of them together.
    assert begun[-1] - begun[0] > EVERY_S * (len(begun) - 2)


async def test_a_config_that_cannot_be_read_is_503_and_tried_again() -> None:
    reads: list[int] = []

    def read() -> None:
        reads.append(1)
        if len(reads) == 1:
            raise ConfigUnreachable("away")

    catching_up = CatchingUp(read)
    with pytest.raises(Problem) as busy:
        await catching_up()
    assert (busy.value.status, len(reads)) == (503, 1)
    await catching_up()
    assert len(reads) == 2
