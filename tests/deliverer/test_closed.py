"""A callback in the tail of outcomes ends its delivery for whoever takes over (once.md 20)."""

from msgspec.structs import replace

from hookstream.model.callback import callback_of, closing
from hookstream.model.records import Outcome
from hookstream.stream.codec import Codec
from hookstream.stream.deliveries import partition_of_lane
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.tail import closing_headers
from hookstream.stream.topics import OUTCOMES
from hookstream.stream.writer import Writer
from tests.deliverer.test_once import WITHIN_S, all_done, deliver, delivery, outcomes, webhook
from tests.fixtures.kafka import PARTITIONS, put, wait_until
from tests.fixtures.receiver import Receiver
from tests.started import started


def close(kafka: KafkaSettings, outcome: Outcome) -> None:
    """Write a closing outcome, as ingest does."""
    writer = Writer(kafka, "tests", on_fatal=print)
    writer.produce(
        OUTCOMES,
        Codec().encode(outcome),
        lambda _: None,
        key=outcome.lane,
        partition=partition_of_lane(outcome.lane.encode(), PARTITIONS),
        headers=closing_headers(outcome),
    )
    assert writer.close()


def test_a_retry_of_a_delivery_that_a_callback_closed_is_not_sent(
    kafka: KafkaSettings, receiver: Receiver
) -> None:
    hook = webhook(receiver)
    put(kafka, hook)
    closed, still_open = (replace(delivery(hook, n), turn=2) for n in (1, 2))
    close(kafka, closing(callback_of(hook, closed, 0), False, "no stock", 0))
    deliver(kafka, closed, still_open)
    with started(kafka, "deliverer", SEAL_KEYS="00" * 32, EGRESS_ALLOW="127.0.0.0/8"):
        wait_until(lambda: all_done(kafka, hook, 2), WITHIN_S)
    assert receiver.ids() == ["evt_2"]
    assert [(o.event, o.turn, o.result) for o in outcomes(kafka)] == [
        ("evt_1", None, "failed"),
        ("evt_2", 2, "succeeded"),
    ]
