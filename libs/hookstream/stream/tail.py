"""The tail of a partition of outcomes: what a deliverer reads when it takes the partition over."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from hookstream.model.records import Attempt, Growth, Outcome, Result, TopicsNote
from hookstream.stream.groups import waited_out
from hookstream.stream.remembered import RING
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.settled import Settlement
from hookstream.stream.topics import OUTCOMES, partition_of
from hookstream.stream.writer import Headers

TAKEN_TOGETHER = 200_000
"""Records read for all partitions taken over at once, beyond what must be read."""
WITHIN_S = 60.0
_EVERY_TURN = 1 << 30
"""A callback carries no turn: it closes the delivery whatever its turn."""


class TailEntry(NamedTuple):
    """One outcome of the tail, as far as its headers tell."""

    partition: int
    offset: int
    delivery: str
    settlement: Settlement


class _Next(msgspec.Struct, array_like=True):
    due_at_ms: int | None
    deferred_since_ms: int | None
    reason: str | None
    attempt: Attempt | None


_NONE = _Next(None, None, None, None)


def settlement_headers(delivery: str, settlement: Settlement) -> Headers:
    """The headers of an outcome: what is settled, and enough to write its successor again."""
    headers: Headers = [
        ("delivery", delivery.encode()),
        ("turn", b"%d" % settlement.turn),
        ("result", settlement.result.encode()),
        ("hash", settlement.hash.encode()),
        ("source", b"%d" % settlement.source),
    ]
    if settlement.next_due_at_ms is not None:
        after = _Next(
            settlement.next_due_at_ms,
            settlement.deferred_since_ms,
            settlement.reason,
            settlement.attempt,
        )
        headers.append(("next", msgspec.json.encode(after)))
    return headers


def closing_headers(outcome: Outcome) -> Headers:
    """The headers of an outcome without a turn: it settles none, it ends its delivery."""
    return [("delivery", outcome.delivery.encode()), ("result", outcome.result.encode())]


def settlement_of(headers: Mapping[str, bytes]) -> tuple[str, Settlement]:
    """(delivery, settlement) back from an outcome's headers. Raises `KeyError` or `ValueError`."""
    after = _NONE
    if "next" in headers:
        after = msgspec.json.decode(headers["next"], type=_Next)
    return headers["delivery"].decode(), Settlement(
        turn=int(headers.get("turn") or _EVERY_TURN),
        result=msgspec.convert(headers["result"].decode(), type=Result),
        hash=headers.get("hash", b"").decode(),
        source=int(headers.get("source") or -1),
        next_due_at_ms=after.due_at_ms,
        deferred_since_ms=after.deferred_since_ms,
        reason=after.reason,
        attempt=after.attempt,
    )


class Tail(NamedTuple):
    """What was read of some partitions of outcomes."""

    entries: list[TailEntry]
    ends: dict[int, int]
    """partition -> the offset up to which it was read."""
    before: list[TailEntry]
    """Outcomes of the partitions in which the lanes of these stood before N was raised, older than
    `entries`; all that they settle is done."""


def read_tail(
    kafka: KafkaSettings, log_from: Mapping[int, int | None], noted: TopicsNote | None = None
) -> Tail:
    """Outcomes of these partitions: all from `log_from` on, and the last `RING` of each; of `noted`
    raises of N, the last `RING` before each as well.

    Raises `TimeoutError` after a minute.
    """
    consumer = Consumer(
        kafka.client("hookstream-tail")
        | {
            "group.id": f"{kafka.group_prefix}tail",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "queued.max.messages.kbytes": 16 * 1024,
        }
    )
    try:
        starts, ends = _span(consumer, kafka.topic(OUTCOMES), log_from)
        consumer.assign(starts)
        wanted = {s.partition: ends[s.partition] for s in starts if s.offset < ends[s.partition]}
        entries = [entry for _, entry in _entries(consumer, wanted)]
        before = _before(consumer, kafka.topic(OUTCOMES), log_from, noted) if noted else []
        return Tail(entries, ends, before)
    finally:
        consumer.close()


def _span(
    consumer: Consumer, topic: str, log_from: Mapping[int, int | None]
) -> tuple[list[TopicPartition], dict[int, int]]:
    starts, ends = [], {}
    ring = min(RING, TAKEN_TOGETHER // max(len(log_from), 1))
    for partition, needed in log_from.items():
        low, high = _ends(consumer, topic, partition)
        start = max(low, min(high - ring, high if needed is None else needed))
        starts.append(TopicPartition(topic, partition, start))
        ends[partition] = high
    return starts, ends


def _ends(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """Asked again while another broker becomes its leader."""
    asked = TopicPartition(topic, partition)
    return waited_out(lambda _: consumer.get_watermark_offsets(asked, timeout=2))


def _before(
    consumer: Consumer, topic: str, taken: Collection[int], noted: TopicsNote
) -> list[TailEntry]:
    """What was settled of the lanes of `taken` in other partitions, oldest raise of N first."""
    count = noted.growing.get(OUTCOMES, noted.partitions[OUTCOMES])
    found: list[TailEntry] = []
    for growth, old in ancestors(taken, noted.growth):
        ring = min(RING, TAKEN_TOGETHER // len(old))
        starts, wanted = [], {}
        for partition in old:
            end = growth.ends[partition]
            low, _ = _ends(consumer, topic, partition)
            start = max(low, end - ring)
            if start < end:
                starts.append(TopicPartition(topic, partition, start))
                wanted[partition] = end
        consumer.assign(starts)
        for lane, entry in _entries(consumer, wanted):
            now = partition_of(lane, count)
            if now in taken:
                found.append(entry._replace(partition=now))
    return found


def ancestors(
    taken: Iterable[int], growths: Iterable[Growth]
) -> list[tuple[Growth, frozenset[int]]]:
    """For each raise of N, oldest first, the partitions in which the lanes of `taken` stood."""
    partitions, found = frozenset(taken), []
    for growth in reversed(tuple(growths)):
        moved = frozenset(p % growth.partitions for p in partitions if p >= growth.partitions)
        partitions = frozenset(p % growth.partitions for p in partitions)
        if moved:
            found.append((growth, moved))
    return found[::-1]


def _entries(consumer: Consumer, wanted: dict[int, int]) -> Iterator[tuple[bytes, TailEntry]]:
    """Entries with their lanes."""
    deadline = time.monotonic() + WITHIN_S
    while wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the tail of outcomes was not read in {WITHIN_S:.0f} s: {wanted}")
        messages: list[Any] = consumer.consume(1000, 0.1)
        for message in messages:
            partition, offset = message.partition(), message.offset()
            if message.error() is not None:
                # The last offsets may be no records: deleted, or marks of others' transactions.
                at_end = message.error().code() == KafkaError._PARTITION_EOF
                if at_end and offset >= wanted.get(partition, 0):
                    wanted.pop(partition, None)
                continue
            entry = _entry(partition, offset, dict(message.headers() or ()))
            if entry and offset < wanted.get(partition, 0):
                yield message.key() or b"", entry
            if offset + 1 >= wanted.get(partition, 0):
                wanted.pop(partition, None)


def _entry(partition: int, offset: int, headers: dict[str, bytes]) -> TailEntry | None:
    try:
        return TailEntry(partition, offset, *settlement_of(headers))
    except (KeyError, ValueError):
        return None
