"""Deliveries on their topic: the headers all copies bear, and the partition their lane owns."""

from collections.abc import Callable
from functools import lru_cache

from hookstream.model.records import Delivery
from hookstream.stream.codec import Codec
from hookstream.stream.topics import DELIVERIES, partition_of
from hookstream.stream.writer import Ack, Headers, Writer

_LANES = 200_000


def delivery_headers(delivery: Delivery, hash_: str, traceparent: bytes | None) -> Headers:
    """What retry and Settled need to know without decoding: identity, due time, lane, payload."""
    headers: Headers = [
        ("delivery", delivery.id.encode()),
        ("turn", b"%d" % delivery.turn),
        ("due", b"%d" % delivery.due_at_ms),
        ("lane", delivery.lane.encode()),
        ("hash", hash_.encode()),
    ]
    if traceparent is not None:
        headers.append(("traceparent", traceparent))
    return headers


def produce_delivery(
    writer: Writer,
    codec: Codec,
    delivery: Delivery,
    hash_: str,
    traceparent: bytes | None,
    partitions: int,
    on_ack: Callable[[Ack], None],
) -> int:
    """Queue a delivery for its lane's partition of `partitions`; its size in bytes.

    `hash_` is `ids.payload_hash(delivery.event)`. Raises `Full`; never blocks.
    """
    value = codec.encode(delivery)
    writer.produce(
        DELIVERIES,
        value,
        on_ack,
        key=delivery.lane,
        partition=partition_of_lane(delivery.lane.encode(), partitions),
        headers=delivery_headers(delivery, hash_, traceparent),
    )
    return len(value)


@lru_cache(maxsize=_LANES)
def partition_of_lane(lane: bytes, partitions: int) -> int:
    """The partition of deliveries, and of outcomes, that a lane belongs to."""
    return partition_of(lane, partitions)
