"""What waits is on disk: memory does not grow with it; what has gone on is deleted."""

import signal
from collections.abc import Callable

import psutil

from hookstream.embedded.ports import free_port
from hookstream.stream.bounds import bounds
from hookstream.stream.groups import committed
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import RETRY
from services.retry.main import GROUP
from services.retry.tiers_to_deliveries import FEW
from tests.fixtures.kafka import PARTITIONS, wait_until
from tests.retry.waiting import TOPICS, held, ids, now_ms, put_waiting
from tests.started import KILLED, started

WITHIN_S = 60
WAITING = 50_000
SIZE = 2_000
HELD_MIB = 16
MIB = 1024 * 1024


def test_fifty_thousand_waiting_cost_disk_and_no_memory(kafka: KafkaSettings) -> None:
    """100 MB in two tiers, and what is due meanwhile comes."""
    due = now_ms() + 86_400_000
    tiers = ("retry.10h", "retry.3h")
    for tier in tiers:
        many = [(f"{tier}-{n}", due) for n in range(WAITING // len(tiers))]
        put_waiting(kafka, many, topic=tier, size=SIZE)
    port = free_port()
    settings = {"RETRY_HELD_MIB": str(HELD_MIB), "PROCESS_HEALTH_PORT": str(port)}
    with started(kafka, "retry", **settings) as retry:
        before = psutil.Process(retry.pid).memory_info().rss
        soon = {f"soon{n}": now_ms() + 500 + n * 10 for n in range(200)}
        put_waiting(kafka, soon.items())
        wait_until(lambda: ids(kafka).keys() == soon.keys(), WITHIN_S)
        records, size = held(port)
        grown = psutil.Process(retry.pid).memory_info().rss - before
    at_most = 2 * (FEW + 500) * PARTITIONS * len(tiers)
    assert 0 < records <= at_most < WAITING / 4
    assert size <= HELD_MIB * MIB
    assert grown < 48 * MIB, f"{WAITING * SIZE // MIB} MiB wait"


def test_what_has_gone_on_is_deleted_and_nothing_else(kafka: KafkaSettings) -> None:
    """Trimmed up to the commits, never beyond; a process that dies meanwhile changes nothing."""
    port = free_port()
    settings = {"RETRY_TRIM_EVERY_S": "0.2", "PROCESS_HEALTH_PORT": str(port)}
    killed = settings | KILLED
    hour = now_ms() + 3_600_000
    waiting = {f"far{n}": hour for n in range(50)}
    not_beyond = trimmed(kafka)
    with started(kafka, "retry", **killed) as first:
        soon = {f"soon{n}": now_ms() + 500 + 10 * n for n in range(500)}
        put_waiting(kafka, [*waiting.items(), *soon.items()])
        # Some have gone on while others wait behind them.
        wait_until(lambda: not_beyond() and ids(kafka).keys() == soon.keys(), WITHIN_S)
        wait_until(trimmed(kafka, RETRY), WITHIN_S)
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    with started(kafka, "retry", **settings):
        more = {f"more{n}": now_ms() + 4_000 for n in range(50)}
        put_waiting(kafka, more.items())
        wait_until(lambda: ids(kafka).keys() == soon.keys() | more.keys(), WITHIN_S)
        wait_until(trimmed(kafka, RETRY, "retry.2s"), WITHIN_S)
        again = {f"again{n}": now_ms() + 5_000 for n in range(50)}
        put_waiting(kafka, again.items())  # where others have gone on
        wait_until(lambda: not_beyond() and again.keys() <= ids(kafka).keys(), WITHIN_S)
    left = bounds(kafka, "retry.30m", PARTITIONS).values()
    assert sum(bound.end - bound.start for bound in left) == len(waiting)


def trimmed(kafka: KafkaSettings, *topics: str) -> Callable[[], bool]:
    """Whether nothing is left of these; each time, that no topic is trimmed beyond its commit."""

    def is_trimmed() -> bool:
        found = {topic: bounds(kafka, topic, PARTITIONS) for topic in TOPICS}
        for topic, parts in found.items():
            at = committed(kafka, GROUP, topic, PARTITIONS)
            assert all(bound.start <= at[p].offset for p, bound in parts.items()), topic
        return all(b.start == b.end for topic in topics for b in found[topic].values())

    return is_trimmed
