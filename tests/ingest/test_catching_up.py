"""Reading config to its end: shared, not too often, never a read that began too early."""

import asyncio
import time
from itertools import pairwise

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
    gaps = [after - before for before, after in pairwise(begun)]
    assert min(gaps) > EVERY_S * 0.9


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
