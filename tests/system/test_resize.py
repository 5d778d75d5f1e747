"""More partitions while everything runs: nothing lost, nothing doubled, wherever it is killed."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from hookstream.model.ids import delivery_id, payload_hash
from hookstream.model.policy import Policy, Schedule, Signature
from hookstream.model.records import Delivery, Event, Outcome, TopicsNote, Webhook, Workspace
from hookstream.stream.bounds import bounds
from hookstream.stream.codec import Codec
from hookstream.stream.deliveries import partition_of_lane, produce_delivery
from hookstream.stream.groups import committed
from hookstream.stream.open import check_partitions
from hookstream.stream.resize import Resize
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.topics import DEAD, DELIVERIES, EVENTS, OUTCOMES, partition_counts
from hookstream.stream.writer import Writer
from tests.fixtures.kafka import PARTITIONS, Seen, produce, put, read_all, wait_until
from tests.fixtures.receiver import Answer, Got, Receiver
from tests.started import Running, together

GROWN = 2 * PARTITIONS
WITHIN_S = 120
EVERY_S = 0.03
RETRY_MS = 4_000
WEBHOOKS = [f"wh{number}" for number in range(12)]
MOVED = next(
    id_
    for number, id_ in enumerate(WEBHOOKS)
    if number % 3 and partition_of_lane(id_.encode(), GROWN) >= PARTITIONS
)
"""A lane that is given another partition; its events with the number 12n + i do not fail."""


def answer(got: Got, before: int) -> Answer:
    """Every third event fails at first, so that retries wait whatever happens."""
    fails = before == 0 and int(got.id.rpartition("_")[2]) % 3 == 0
    return (500 if fails else 200), {}


def webhook(id_: str, receiver: Receiver) -> Webhook:
    policy = Policy(
        id="quick",
        name="quick",
        schedule=Schedule(kind="fixed", delays_ms=(RETRY_MS,), max_requests=5),
        signature=Signature(scheme="none"),
    )
    return Webhook(
        id=id_,
        workspace="ws",
        version=1,
        name=id_,
        state="active",
        url=f"{receiver.url}/{id_}",
        lane=id_,
        policy=policy,
    )


def event(number: int) -> Event:
    """For one webhook, addressed by its name."""
    name = WEBHOOKS[number % len(WEBHOOKS)]
    id_ = f"evt_{number}"
    return Event(workspace="ws", id=id_, type="a.b", created_at_ms=0, data=b'{"n":1}', webhook=name)


class Load:
    """Events, one after the other, until it is stopped."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.sent = 0
        self._kafka = kafka
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        codec = Codec()
        writer = Writer(self._kafka, "tests-load", on_fatal=print)
        for number in itertools.count():
            if self._stop.wait(EVERY_S):
                break
            sent = event(number)
            writer.produce(EVENTS, codec.encode(sent), lambda _: None, key=sent.id)
            self.sent = number + 1
        assert writer.close(30)


@pytest.fixture
def running(
    kafka: KafkaSettings, database: str, receiver: Receiver
) -> Iterator[dict[str, Running]]:
    """The services that know N, as processes of their own."""
    receiver.rule = answer
    put(kafka, Workspace(id="ws", version=1, name="Ours"))
    put(kafka, *(webhook(id_, receiver) for id_ in WEBHOOKS))
    services = {
        "router": {},
        "retry": {},
        "deliverer": {"SEAL_KEYS": "00" * 32, "EGRESS_ALLOW": "127.0.0.0/8"},
    }
    log = {"status": {"POSTGRES_DSN": database}}
    with together(kafka, log, ready=False) as status, together(kafka, services) as processes:
        yield processes | status


class Killed(Exception):
    """As if the command had been killed."""


def run_and_kill(kafka: KafkaSettings, at: str) -> None:
    """Run the resize up to the step that begins with these words."""
    table, writer = Table(kafka, "tests-resize"), Writer(kafka, "tests", on_fatal=print)

    def tell(line: str) -> None:
        if line.startswith(at):
            raise Killed

    try:
        with pytest.raises(Killed):
            Resize(kafka, table, writer, tell).run(GROWN, None, WITHIN_S)
    finally:
        writer.close()
        table.close()


def command(kafka: KafkaSettings, *arguments: str) -> "subprocess.Popen[str]":
    """`hookstream topics resize …`, as people run it."""
    values = {
        "HOOKSTREAM_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HOOKSTREAM_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
        "HOOKSTREAM_KAFKA_GROUP_PREFIX": kafka.group_prefix,
    }
    called = [sys.executable, "-m", "services.cli.main", "topics", "resize", *arguments]
    return subprocess.Popen(
        called,
        env=os.environ | values,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def noted(kafka: KafkaSettings) -> TopicsNote:
    table = Table(kafka, "tests-noted")
    table.catch_up()
    table.close()
    assert table.config.topics is not None
    return table.config.topics


def settled(kafka: KafkaSettings) -> list[tuple[Seen, Outcome]]:
    seen = read_all(kafka, OUTCOMES)
    return [(s, s.value) for s in seen if isinstance(s.value, Outcome)]


def all_succeeded(kafka: KafkaSettings, count: int) -> bool:
    return sum(o.result == "succeeded" for _, o in settled(kafka)) >= count


def put_late(kafka: KafkaSettings, hook: Webhook, number: int) -> None:
    """A delivery where its lane belonged before, from a writer that has not heard."""
    sent = event(number)
    late = Delivery(
        id=delivery_id(hook.id, sent.id),
        turn=1,
        webhook=hook.id,
        webhook_version=1,
        lane=hook.lane,
        event=sent,
        due_at_ms=1,
        give_up_at_ms=2**42,
        logged_at_ms=time.time_ns() // 1_000_000,
    )
    writer = Writer(kafka, "tests", on_fatal=print)
    produce_delivery(writer, Codec(), late, payload_hash(sent), None, PARTITIONS, lambda _: None)
    assert writer.close()


def test_partitions_grow_under_load_wherever_the_command_is_killed(
    kafka: KafkaSettings, database: str, receiver: Receiver, running: dict[str, Running]
) -> None:
    with Load(kafka) as load:
        wait_until(lambda: all_succeeded(kafka, 30), WITHIN_S)

        first = command(kafka, "--partitions", str(GROWN))
        wait_until(lambda: noted(kafka).growing, WITHIN_S)
        first.send_signal(signal.SIGKILL)
        first.wait(30)
        wait_until(lambda: all("topics" in each.notes() for each in running.values()), WITHIN_S)

        for step in ("outcomes: 4 to 8", "deliveries: 4 to 8"):
            run_and_kill(kafka, step)
            check_partitions(kafka, noted(kafka))

        last = command(kafka, "--partitions", str(GROWN))
        told, _ = last.communicate(timeout=2 * WITHIN_S)
        assert last.returncode == 0, told
        at_growth = load.sent
        wait_until(lambda: load.sent >= at_growth + 200, WITHIN_S)
    wait_until(lambda: all_succeeded(kafka, load.sent), WITHIN_S)

    assert noted(kafka).partitions[DELIVERIES] == GROWN
    assert partition_counts(kafka).partitions[OUTCOMES] == GROWN
    assert not any(each.notes() for each in running.values())
    _nothing_lost_nothing_doubled(kafka, receiver, load.sent)
    _a_lane_moved_once(kafka)

    # What a router that was killed before its commit does: the same events under the new N.
    requests = len(receiver.got)
    again = [(f"evt_{n}", Codec().encode(event(n))) for n in range(at_growth - 100)]
    produce(kafka, EVENTS, *again)
    put_late(kafka, webhook(MOVED, receiver), 12_000 + WEBHOOKS.index(MOVED))
    wait_until(lambda: _routed(kafka) > load.sent + len(again), WITHIN_S)
    wait_until(lambda: _all_done(kafka), WITHIN_S)
    wait_until(lambda: _written(database) == load.sent + 1, WITHIN_S)
    assert len(receiver.got) == requests + 1, Counter(receiver.ids()[requests:])
    assert [o.result for _, o in settled(kafka)].count("rekeyed") == 1
    assert read_all(kafka, DEAD) == []


def _all_done(kafka: KafkaSettings) -> bool:
    """Whether all that is on deliveries is committed."""
    at = committed(kafka, "deliverer", DELIVERIES, GROWN)
    return all(at[p].offset == bound.end for p, bound in bounds(kafka, DELIVERIES, GROWN).items())


def _routed(kafka: KafkaSettings) -> int:
    """First turns on deliveries."""
    return sum(seen.headers["turn"] == b"1" for seen in read_all(kafka, DELIVERIES))


def _written(database: str) -> int:
    with psycopg.connect(database) as connection:
        query = "SELECT count(*) FROM deliveries WHERE state = 'succeeded'"
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _nothing_lost_nothing_doubled(kafka: KafkaSettings, receiver: Receiver, sent: int) -> None:
    expected = {f"evt_{n}": 2 if n % 3 == 0 else 1 for n in range(sent)}
    assert dict(Counter(receiver.ids())) == expected
    turns = Counter((o.delivery, o.turn) for _, o in settled(kafka))
    assert [turn for turn, count in turns.items() if count > 1] == []


def _a_lane_moved_once(kafka: KafkaSettings) -> None:
    """All of a lane that was settled before is in its old partition, all after in its new one."""
    ends = noted(kafka).growth[-1].ends
    for seen, outcome in settled(kafka):
        lane = outcome.lane.encode()
        old, new = partition_of_lane(lane, PARTITIONS), partition_of_lane(lane, GROWN)
        is_old = seen.partition < PARTITIONS and seen.offset < ends[seen.partition]
        assert seen.partition == (old if is_old else new)
    ordered = sorted(settled(kafka), key=lambda each: each[0].timestamp_ms)
    turns: dict[str, int] = {}
    for _, outcome in ordered:
        assert (outcome.turn or 0) > turns.get(outcome.delivery, 0)
        turns[outcome.delivery] = outcome.turn or 0
