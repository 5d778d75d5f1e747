"""Deliveries on the wire: their headers, and the partition their lane belongs to."""

from collections.abc import Callable
from functools import lru_cache

from hookstream.model.records import Delivery
from hookstream.stream.codec import Codec
from hookstream.stream.topics import DELIVERIES, partition_of
from hookstream.stream.writer import Ack, Headers, Writer


def delivery_headers(delivery: Delivery, hash_: str, traceparent: bytes | None) -> Headers:
    """What those who carry a delivery on need, without reading it: due, lane, identity, trace."""
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
) -> None:
    """Queue a delivery for its lane. Raises `Full`."""
    writer.produce(
        DELIVERIES,
        codec.encode(delivery),
        on_ack,
        key=delivery.lane,
        partition=lane_partition(delivery.lane, partitions),
        headers=delivery_headers(delivery, hash_, traceparent),
    )


@lru_cache(maxsize=200_000)
def lane_partition(lane: str, partitions: int) -> int:
    """The partition of deliveries and of outcomes that a lane belongs to."""
    return partition_of(lane.encode(), partitions)
