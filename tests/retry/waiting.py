"""Records that wait, put on real topics, and what came of them."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import httpx2

from hookstream.embedded.ports import HOST
from hookstream.model.records import GroupNote
from hookstream.stream.bounds import Bounds, bounds
from hookstream.stream.codec import Codec
from hookstream.stream.dead import DeadLetters
from hookstream.stream.groups import committed, start_group
from hookstream.stream.loop import Loop
from hookstream.stream.partitioning import Partitioning
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.topics import DELIVERIES, RETRY, TIERS
from hookstream.stream.writer import Ack, Writer
from services.retry.main import GROUP, READS
from services.retry.settings import RetrySettings
from services.retry.tiers_to_deliveries import Retry
from tests.fixtures.kafka import PARTITIONS, Seen, read_all, run_in_thread, wait_until

TOPICS = [RETRY, *TIERS]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def put_waiting(
    kafka: KafkaSettings,
    waiting: Iterable[tuple[str, int]],
    *,
    topic: str = RETRY,
    size: int = 0,
    **changed: bytes,
) -> None:
    """Put (delivery, due) pairs on a topic as the deliverer does: keyed by the delivery."""
    writer = Writer(kafka, "tests", on_fatal=print)
    refused: list[Ack] = []
    for delivery, due_at_ms in waiting:
        headers = {
            "delivery": delivery.encode(),
            "turn": b"2",
            "due": b"%d" % due_at_ms,
            "lane": f"lane of {delivery}".encode(),
            "hash": b"0123456789abcdef",
            "traceparent": b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
        }
        raw = f"bytes of {delivery}".encode().ljust(size, b".")
        writer.produce(
            topic,
            raw,
            lambda ack: refused.append(ack) if ack.refused else None,
            key=delivery,
            headers=[*(headers | changed).items()],
        )
    assert writer.close(30)
    assert refused == []


def delivered(kafka: KafkaSettings) -> list[Seen]:
    return read_all(kafka, DELIVERIES)


def late_ms(seen: Seen) -> int:
    """How long after its due time a delivery got onto its topic, by the broker's clock."""
    return seen.timestamp_ms - int(seen.headers["due"])


def hops(kafka: KafkaSettings) -> dict[str, list[str]]:
    """delivery -> the tiers it went through, in order."""
    seen = [
        (s.timestamp_ms, tier, s.headers["delivery"])
        for tier in TIERS
        for s in read_all(kafka, tier)
    ]
    found: dict[str, list[str]] = {}
    for _, tier, delivery in sorted(seen):
        found.setdefault(delivery.decode(), []).append(tier)
    return found


def ids(kafka: KafkaSettings) -> Counter[str]:
    """delivery -> how often it came out."""
    return Counter(seen.headers["delivery"].decode() for seen in delivered(kafka))


def unmoved(kafka: KafkaSettings, topic: str = RETRY) -> int:
    """How many records of a topic the group has not committed as moved on."""
    at = committed(kafka, GROUP, topic, PARTITIONS)
    ends = Counter(seen.partition for seen in read_all(kafka, topic))
    return sum(end - at[p].offset - len(at[p].done) for p, end in ends.items())


def uncommitted(kafka: KafkaSettings) -> set[str]:
    """The deliveries that have gone on from a place which the group has not committed as done:
    who takes over moves these again, and no others."""
    wait_until(lambda: is_at_rest(kafka))
    ways: dict[str, list[tuple[int, int, bool]]] = {}
    for topic in (*TOPICS, DELIVERIES):
        at = committed(kafka, GROUP, topic, PARTITIONS) if topic != DELIVERIES else {}
        order = 0 if topic == RETRY else 2 if topic == DELIVERIES else 1
        for seen in read_all(kafka, topic):
            mark = at.get(seen.partition)
            done = mark is None or seen.offset < mark.offset or seen.offset in mark.done
            way = ways.setdefault(seen.headers["delivery"].decode(), [])
            way.append((seen.timestamp_ms, order, done))
    return {d for d, way in ways.items() if not all(done for *_, done in sorted(way)[:-1])}


def is_at_rest(kafka: KafkaSettings) -> bool:
    """Whether nothing comes onto the topics: what a process had sent when it was killed may be on
    its way to them for a moment."""
    before = all_bounds(kafka)
    time.sleep(0.5)  # nothing comes for so long
    return all_bounds(kafka) == before


def all_bounds(kafka: KafkaSettings) -> list[dict[int, Bounds]]:
    """Where the partitions of all topics begin and end."""
    return [bounds(kafka, topic, PARTITIONS) for topic in (*TOPICS, DELIVERIES)]


def moved_between(kafka: KafkaSettings, from_ms: int, to_ms: int) -> set[str]:
    """The deliveries that came into a tier, or out of the last, in that time."""
    return {
        seen.headers["delivery"].decode()
        for topic in (*TIERS, DELIVERIES)
        for seen in read_all(kafka, topic)
        if from_ms <= seen.timestamp_ms <= to_ms
    }


def metrics(port: int, name: str) -> list[str]:
    """The lines of these metrics of a retry process."""
    text = httpx2.get(f"http://{HOST}:{port}/metrics", timeout=60, trust_env=False).text
    return [line for line in text.splitlines() if line.startswith(name)]


def assigned(port: int) -> int:
    """How many partitions a retry process owns."""
    lines = metrics(port, "hookstream_consumer_assigned")
    return sum(int(float(line.split()[-1])) for line in lines)


def held(port: int) -> tuple[int, int]:
    """Records and bytes that a retry process holds in memory, as it tells itself."""
    lines = [line.split() for line in metrics(port, "hookstream_retry_held")]
    found = {name.partition("{")[0]: int(float(value)) for name, value in lines}
    size = next(number for name, number in found.items() if "size" in name)
    return next(number for name, number in found.items() if "size" not in name), size


@contextmanager
def retrying(kafka: KafkaSettings, clock_ms: Callable[[], float]) -> Iterator[Retry]:
    """The service's loop and delay line in this process, by a clock of the test."""
    start_group(kafka, None, GroupNote(group=GROUP, partitions=dict.fromkeys(TOPICS, PARTITIONS)))
    writer = Writer(kafka, "tests-retry", on_fatal=print)
    dead = DeadLetters(writer, Codec(), print)
    table = Table(kafka, "tests-config")
    table.catch_up(30)
    retry = Retry(writer, dead, Partitioning(table, writer), RetrySettings(), clock_ms)
    loop = Loop(kafka, GROUP, TOPICS, retry, consumer=READS, max_records=2**31, max_bytes=2**40)
    threads = [run_in_thread(work) for work in (loop.run, retry.line.run)]
    wait_until(lambda: len(loop.assignments) == len(TOPICS) * PARTITIONS, 40)
    yield retry
    loop.stop()
    retry.line.close()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    table.close()
    assert writer.close()
