"""The tail of a partition of outcomes: what a deliverer reads when it takes the partition over."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Consumer, TopicPartition

from hookstream.model.records import Attempt, Outcome, Result
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.settled import RING, Settlement
from hookstream.stream.topics import OUTCOMES
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


def read_tail(kafka: KafkaSettings, log_from: Mapping[int, int | None]) -> Tail:
    """Outcomes of these partitions: all from `log_from` on, and the last `RING` of each.

    Raises `TimeoutError` after a minute.
    """
    consumer = Consumer(
        kafka.client("hookstream-tail")
        | {
            "group.id": f"{kafka.group_prefix}tail",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": 16 * 1024,
        }
    )
    try:
        starts, ends = _span(consumer, kafka.topic(OUTCOMES), log_from)
        consumer.assign(starts)
        wanted = {s.partition: ends[s.partition] for s in starts if s.offset < ends[s.partition]}
        return Tail(list(_entries(consumer, wanted)), ends)
    finally:
        consumer.close()


def _span(
    consumer: Consumer, topic: str, log_from: Mapping[int, int | None]
) -> tuple[list[TopicPartition], dict[int, int]]:
    starts, ends = [], {}
    ring = min(RING, TAKEN_TOGETHER // max(len(log_from), 1))
    for partition, needed in log_from.items():
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        start = max(low, min(high - ring, high if needed is None else needed))
        starts.append(TopicPartition(topic, partition, start))
        ends[partition] = high
    return starts, ends


def _entries(consumer: Consumer, wanted: dict[int, int]) -> Iterator[TailEntry]:
    deadline = time.monotonic() + WITHIN_S
    while wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the tail of outcomes was not read in {WITHIN_S:.0f} s: {wanted}")
        messages: list[Any] = consumer.consume(1000, 0.1)
        for message in messages:
            if message.error() is not None:
                continue
            partition, offset = message.partition(), message.offset()
            entry = _entry(partition, offset, dict(message.headers() or ()))
            if entry and offset < wanted.get(partition, 0):
                yield entry
            if offset + 1 >= wanted.get(partition, 0):
                wanted.pop(partition, None)


def _entry(partition: int, offset: int, headers: dict[str, bytes]) -> TailEntry | None:
    try:
        return TailEntry(partition, offset, *settlement_of(headers))
    except (KeyError, ValueError):
        return None
