"""Invariant 7, *everything is bounded*: all receivers hang, and more waits than fits in memory."""

import time
from collections.abc import Iterator

import psutil
import pytest

from hookstream.embedded.ports import free_port
from hookstream.model.ids import delivery_id, payload_hash
from hookstream.model.policy import Policy, Schedule, Signature
from hookstream.model.records import Delivery, Event, Webhook
from hookstream.stream.bounds import bounds
from hookstream.stream.codec import Codec
from hookstream.stream.deliveries import produce_delivery
from hookstream.stream.groups import committed
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import DELIVERIES
from hookstream.stream.writer import Ack, Writer
from tests.fixtures.kafka import PARTITIONS, put, wait_until
from tests.fixtures.receiver import Receiver
from tests.retry.waiting import held
from tests.started import started

WEBHOOKS = 40
EACH = 500
SIZE = 4 * 1024
DEADLINE_MS = 2_000
WITHIN_S = 20
"""Ten deadlines: so long may a partition's commit stand still on a machine that is busy."""
SLOTS = 64
WAITING_MB = 4
HELD_MIB = 8
MIB = 1024 * 1024
GROWN = 144 * MIB
"""What open turns and the clients' buffers may take. Held in memory, what waits takes twice that:
80 MB as bytes, and again decoded, and again on its way to Kafka."""


class Watched:
    """The two processes that hold deliveries, looked at while all receivers hang."""

    def __init__(self, kafka: KafkaSettings, receiver: Receiver, ports: list[int]) -> None:
        self.kafka, self.receiver = kafka, receiver
        self._retry_port = ports[1]
        self.most_held = (0, 0)

    def commits(self) -> dict[int, int]:
        """Up to where each partition of deliveries is done."""
        at = committed(self.kafka, "deliverer", DELIVERIES, PARTITIONS)
        return {partition: found.offset for partition, found in at.items()}

    def look(self) -> None:
        """Remember the most that retry held."""
        records, size = held(self._retry_port)
        self.most_held = max(self.most_held[0], records), max(self.most_held[1], size)


@pytest.fixture
def hung(receiver: Receiver) -> Iterator[Receiver]:
    """A receiver that answers nobody."""
    receiver.rule = lambda _, __: None
    yield receiver
    receiver.released.set()


def hooks(receiver: Receiver) -> list[Webhook]:
    """Webhooks in lanes of their own, whose requests hang."""
    policy = Policy(
        id="quick",
        name="quick",
        schedule=Schedule(kind="fixed", delays_ms=(60_000,), max_requests=5),
        signature=Signature(scheme="none"),
        deadline_ms=DEADLINE_MS,
    )
    return [
        Webhook(
            id=f"wh{n}",
            workspace="ws",
            version=1,
            name=f"wh{n}",
            state="active",
            url=f"{receiver.url}/w{n}",
            lane=f"lane{n}",
            policy=policy,
        )
        for n in range(WEBHOOKS)
    ]


def delivery(hook: Webhook, number: int) -> Delivery:
    data = b'{"n":%d,"of":"%b"}' % (number, b"x" * SIZE)
    event = Event(workspace="ws", id=f"e{number}", type="a.b", created_at_ms=0, data=data)
    now_ms = time.time_ns() // 1_000_000
    return Delivery(
        id=delivery_id(hook.id, event.id),
        turn=1,
        webhook=hook.id,
        webhook_version=1,
        lane=hook.lane,
        event=event,
        due_at_ms=now_ms,
        give_up_at_ms=2**42,
        logged_at_ms=now_ms,
    )


def deliver_all(kafka: KafkaSettings, webhooks: list[Webhook]) -> dict[int, int]:
    """80 MB of deliveries; where each partition ends by them."""
    writer, codec = Writer(kafka, "tests", on_fatal=print), Codec()
    acked: list[Ack] = []
    for number in range(EACH):
        for hook in webhooks:
            made = delivery(hook, number)
            hash_ = payload_hash(made.event)
            produce_delivery(writer, codec, made, hash_, None, PARTITIONS, acked.append)
    assert writer.close(60)
    assert not any(ack.refused for ack in acked)
    # counted here, before the deliverer runs: later the topic has later turns as well
    return _ends(kafka)


def _ends(kafka: KafkaSettings) -> dict[int, int]:
    return {p: bound.end for p, bound in bounds(kafka, DELIVERIES, PARTITIONS).items()}


def test_everything_is_bounded(kafka: KafkaSettings, hung: Receiver) -> None:
    """Memory stays flat, and each partition's commit moves within the deadline, to its end."""
    webhooks = hooks(hung)
    put(kafka, *webhooks)
    ends = deliver_all(kafka, webhooks)
    assert len([end for end in ends.values() if end]) == PARTITIONS
    ports = [free_port(), free_port()]
    settings = {
        "SEAL_KEYS": "00" * 32,
        "EGRESS_ALLOW": "127.0.0.0/8",
        "DELIVERER_SLOTS": str(SLOTS),
        "DELIVERER_WAITING_MB": str(WAITING_MB),
        "PROCESS_HEALTH_PORT": str(ports[0]),
    }
    retrying = {"RETRY_HELD_MIB": str(HELD_MIB), "PROCESS_HEALTH_PORT": str(ports[1])}
    with started(kafka, "retry", **retrying) as retry, started(kafka, "deliverer", **settings) as d:
        watched = Watched(kafka, hung, ports)
        processes = [psutil.Process(p.pid) for p in (retry, d)]
        before = [p.memory_info().rss for p in processes]
        at = watched.commits()
        while unfinished := [p for p, end in ends.items() if at[p] < end]:
            for partition in unfinished:
                _until_moved(watched, partition, at[partition])
            watched.look()
            at = watched.commits()
        grown = [p.memory_info().rss - was for p, was in zip(processes, before, strict=True)]
    assert watched.most_held[1] <= 2 * HELD_MIB * MIB, "its bound, and one read more"
    assert max(grown) < GROWN, f"{WEBHOOKS * EACH * SIZE // MIB} MiB wait: {grown}"


def _until_moved(watched: Watched, partition: int, since: int) -> None:
    """The partition's commit goes on; with all receivers silent that takes a deadline at most."""
    wait_until(lambda: watched.commits()[partition] > since, WITHIN_S)
