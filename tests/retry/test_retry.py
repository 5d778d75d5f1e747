"""The delay line on real Kafka: the same bytes, later, never early, whatever dies meanwhile."""

import signal

import psutil
import pytest

from hookstream.model.records import Dead
from hookstream.stream.deliveries import partition_of_lane
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import DEAD, RETRY, TIERS
from services.retry.tiers import UNTIL
from tests.fixtures.kafka import PARTITIONS, read_all, wait_until
from tests.retry.waiting import delivered, hops, ids, late_ms, now_ms, put_waiting, uncommitted
from tests.started import KILLED, started

pytestmark = pytest.mark.alone

WITHIN_S = 40
LATE_MS = 5_000
"""More than is promised, by what a broker and a test on a busy machine may take."""
RESTARTED_LATE_MS = 30_000


def test_each_comes_when_due_by_the_tiers_that_are_left_in_time(kafka: KafkaSettings) -> None:
    with started(kafka, "retry"):
        start_ms = now_ms() + 900  # after the first: as long as may be before it counts as soon
        dues = {f"d{s}": start_ms + s * 1000 for s in (0, 1, 2, 4, 7, 9, 14)}
        put_waiting(kafka, [*dues.items(), ("overdue", start_ms - 5_000)])
        wait_until(lambda: len(delivered(kafka)) == len(dues) + 1, WITHIN_S)
    found = {seen.headers["delivery"].decode(): seen for seen in delivered(kafka)}
    assert set(found) == {*dues, "overdue"}
    late = {delivery: late_ms(found[delivery]) for delivery in dues}
    assert min(late.values()) >= 0, late
    assert max(late.values()) <= LATE_MS, late
    assert hops(kafka) == {
        "d4": ["retry.2s"],
        "d7": ["retry.5s"],
        "d9": ["retry.5s", "retry.2s"],
        "d14": ["retry.10s", "retry.2s"],
    }


def test_what_comes_out_is_what_went_in(kafka: KafkaSettings) -> None:
    with started(kafka, "retry"):
        put_waiting(kafka, [("d", now_ms() + 7_000)])
        wait_until(lambda: delivered(kafka), WITHIN_S)
    came, out = read_all(kafka, RETRY)[0], delivered(kafka)[0]
    tier = next(seen for name in TIERS for seen in read_all(kafka, name))
    assert tier.headers.pop(UNTIL)
    assert (came.raw, came.headers, came.key) == (tier.raw, tier.headers, tier.key)
    assert (came.raw, came.headers) == (out.raw, out.headers)
    lane = b"lane of d"
    assert (out.key, out.partition) == (lane, partition_of_lane(lane, PARTITIONS))


def test_twins_meet_in_one_partition_and_come_together(kafka: KafkaSettings) -> None:
    with started(kafka, "retry"):
        due = now_ms() + 10_000
        twins = [(f"d{number}", due) for number in range(8)]
        put_waiting(kafka, twins)
        put_waiting(kafka, twins)
        wait_until(lambda: len(delivered(kafka)) == 16, WITHIN_S)
    for topic in (RETRY, "retry.5s"):
        places = {(seen.headers["delivery"], seen.partition) for seen in read_all(kafka, topic)}
        assert len(places) == 8, places
    assert all(0 <= late_ms(seen) <= LATE_MS for seen in delivered(kafka))


def test_killed_with_records_waiting_all_come_and_none_early(kafka: KafkaSettings) -> None:
    count = 600
    with started(kafka, "retry", **KILLED) as first:
        start_ms = now_ms()
        dues = {f"d{n}": start_ms + n * 15 for n in range(count)}
        put_waiting(kafka, dues.items())
        wait_until(lambda: len(delivered(kafka)) > 100, WITHIN_S)
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    already, may_be_twice = set(ids(kafka)), uncommitted(kafka)
    assert len(already) < count, "it was killed too late to show anything"
    with started(kafka, "retry"):
        wait_until(lambda: set(ids(kafka)) == set(dues), WITHIN_S)
    found = delivered(kafka)
    assert min(late_ms(seen) for seen in found) >= 0
    assert max(late_ms(seen) for seen in found) <= RESTARTED_LATE_MS
    once = already - may_be_twice
    assert once, "it commits soon"
    times = ids(kafka)
    assert {delivery: times[delivery] for delivery in once} == dict.fromkeys(once, 1)


def test_what_is_no_delivery_is_dead_and_the_others_go_on(kafka: KafkaSettings) -> None:
    with started(kafka, "retry"):
        put_waiting(kafka, [("bad", 0)], due=b"tomorrow")
        put_waiting(kafka, [("good", now_ms())])
        wait_until(lambda: delivered(kafka) and read_all(kafka, DEAD), WITHIN_S)
    dead = [seen.value for seen in read_all(kafka, DEAD)]
    assert [d.reason for d in dead if isinstance(d, Dead)] == ["not_a_delivery"]
    assert list(ids(kafka)) == ["good"]


def test_what_waits_for_hours_costs_disk_and_does_not_stop_what_is_due(
    kafka: KafkaSettings,
) -> None:
    due = now_ms() + 40_000_000
    for number, tier in enumerate(("retry.10h", "retry.3h")):
        many = [(f"d{number}-{n}", due) for n in range(1_000)]
        put_waiting(kafka, many, topic=tier, size=100_000)
    with started(kafka, "retry", RETRY_HELD_MIB="16") as retry:
        before = psutil.Process(retry.pid).memory_info().rss
        soon = [(f"soon{n}", now_ms() + 2_500 + n * 10) for n in range(300)]
        put_waiting(kafka, soon)
        wait_until(lambda: len(delivered(kafka)) == 300, WITHIN_S)
        grown = psutil.Process(retry.pid).memory_info().rss - before
    assert set(ids(kafka)) == {delivery for delivery, _ in soon}
    assert all(0 <= late_ms(seen) <= LATE_MS for seen in delivered(kafka))
    assert grown < 64 * 1024 * 1024, "200 MB wait"
