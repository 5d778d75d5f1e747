"""A loop in a thread of its own, whose handler finishes what it gets."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hookstream.stream.gap import Gap
from hookstream.stream.loop import Handler, Loop
from hookstream.stream.record import Assignment, Record
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import EVENTS
from tests.fixtures.kafka import run_in_thread


class Taking(Handler):
    """Finishes what it gets, once it may; notes what was lost, and what was deleted unread."""

    def __init__(self) -> None:
        self.is_full = False
        self.seen: list[bytes] = []
        self.gone: list[int] = []
        self.gaps: list[Gap] = []

    def handle(self, records: list[Record]) -> None:  # type: ignore[override]
        for record in records:
            self.seen.append(record.raw)
            record.done()

    def full(self) -> bool:
        return self.is_full

    def lost(self, assignments: Sequence[Assignment]) -> None:
        self.gone += [assignment.partition for assignment in assignments]


@contextmanager
def looping(kafka: KafkaSettings, group: str) -> Iterator[tuple[Loop, Taking]]:
    """It reads events as a member of `group`, and has left it when the block ends."""
    handler = Taking()
    loop = Loop(kafka, group, [EVENTS], handler)
    loop.on_gap = handler.gaps.append
    thread = run_in_thread(loop.run)
    try:
        yield loop, handler
    finally:
        loop.stop()
        thread.join(20)
    assert not thread.is_alive()
