"""A process may be stopped at any moment: just before its first byte a request is asked for again.

By then another may have sent it. What the loop says of itself is given here; all else is real.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from hookstream.model.records import Delivery, Outcome
from hookstream.model.seal import Keys
from hookstream.stream.codec import Codec
from hookstream.stream.dead import DeadLetters
from hookstream.stream.partitioning import Partitioning
from hookstream.stream.record import Assignment, Record
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.settled import Settled
from hookstream.stream.table import Table
from hookstream.stream.topics import DELIVERIES, OUTCOMES
from hookstream.stream.window import Committed
from hookstream.stream.writer import Writer
from services.deliverer.connections import Connections
from services.deliverer.deliveries_to_outcomes import Deliverer
from services.deliverer.egress import Egress
from services.deliverer.halt import Halt
from services.deliverer.lanes import Lanes
from services.deliverer.partition import Partition
from services.deliverer.request_of import RequestOf
from services.deliverer.seam import Withheld
from services.deliverer.send import Sender
from services.deliverer.settings import EgressSettings
from services.deliverer.settle import Settler
from services.deliverer.transport import AiohttpTransport
from services.deliverer.webhooks import Webhooks
from tests.deliverer.receiver import answering, receiving
from tests.deliverer.test_send import OK, a_request
from tests.fixtures.kafka import put, read_all
from tests.fixtures.receiver import Receiver
from tests.unit.values import a_delivery, a_webhook, unsigned

WITHIN_S = 60
LOOPBACK = EgressSettings(allow=("127.0.0.0/8",))


@asynccontextmanager
async def sending() -> AsyncIterator[Sender]:
    connections = Connections(LOOPBACK, Egress(LOOPBACK.networks).open_socket, 100)
    sender = Sender(AiohttpTransport(connections, LOOPBACK.connect_timeout_s))
    yield sender
    await sender.close()


@asynccontextmanager
async def delivering(kafka: KafkaSettings) -> AsyncIterator[Deliverer]:
    """All of a deliverer but its loop."""
    writer, table = Writer(kafka, "tests", on_fatal=print), Table(kafka, "tests-config")
    codec, loop = Codec(), asyncio.get_running_loop()
    await asyncio.to_thread(table.catch_up, 30)
    async with sending() as sender:
        yield Deliverer(
            lanes=Lanes(10, 1024 * 1024),
            sender=sender,
            webhooks=Webhooks(table),
            request_of=RequestOf(Keys([bytes(32)])),
            settler=Settler(
                writer, codec, DeadLetters(writer, codec, print), Partitioning(table, writer), print
            ),
            halt=Halt(table),
            read_tail=lambda _: pytest.fail("nothing is taken over"),
            clock_ms=lambda: int(loop.time() * 1000),
        )
    assert writer.close(WITHIN_S)
    table.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.01)


def a_record(delivery: Delivery, steady: Callable[[], bool]) -> Record:
    assignment = Assignment(DELIVERIES, 0, Committed(offset=0), deque())
    assignment.state = Partition(Settled(), 0, steady)
    record = Record(assignment, 0, 1, b"lane", {}, Codec().encode(delivery))
    record.value = delivery
    return record


class Stopping:
    """Steady when it is asked first; not from then on, as if stopped between the two; and again."""

    def __init__(self) -> None:
        self.asked, self.over = 0, False

    def __call__(self) -> bool:
        self.asked += 1
        return self.over or self.asked == 1


async def test_it_is_asked_when_all_is_there_and_only_then_written() -> None:
    async with receiving(answering(OK)) as receiver, sending() as sender:
        connected: list[int] = []

        def may_not() -> bool:
            connected.append(receiver.connections)
            return False

        for _ in range(2):
            with pytest.raises(Withheld):
                await sender.send(a_request(receiver.url()), 5000, may_not)
        await until(lambda: receiver.connections == 2)
        assert receiver.requests == []
        answer = await sender.send(a_request(receiver.url()), 5000, lambda: True)
    assert answer.status == 200
    assert len(receiver.requests) == 1


async def test_begun_before_a_stop_and_not_written_it_waits_for_the_group(
    kafka: KafkaSettings, receiver: Receiver
) -> None:
    put(kafka, hook := a_webhook(url=receiver.url, policy=unsigned()))
    stopping = Stopping()
    async with delivering(kafka) as deliverer:
        deliverer.steady = stopping
        record = a_record(a_delivery(webhook=hook.id), stopping)
        deliverer.handle([record])
        await until(lambda: stopping.asked >= 3)
        assert receiver.got == []
        stopping.over = True
        deliverer.steadied()
        await until(lambda: bool(record.assignment.events))
    assert len(receiver.got) == 1
    outcomes = [seen.value for seen in read_all(kafka, OUTCOMES)]
    assert [o.result for o in outcomes if isinstance(o, Outcome)] == ["succeeded"]


async def test_begun_before_a_stop_and_lost_meanwhile_it_is_never_written(
    kafka: KafkaSettings, receiver: Receiver
) -> None:
    put(kafka, hook := a_webhook(url=receiver.url, policy=unsigned()))
    async with delivering(kafka) as deliverer:

        def losing() -> bool:
            """The loop's thread, just now: refused by the group, and so in no doubt any more."""
            record.assignment.alive = False
            return True

        record = a_record(a_delivery(webhook=hook.id), losing)
        deliverer.handle([record])
        await until(lambda: not record.assignment.alive)
        deliverer.lost([record.assignment])
        await until(lambda: not record.assignment.state.open)
    assert receiver.got == []
    assert read_all(kafka, OUTCOMES) == []
