"""The tail of outcomes is read to its end, also where the last offsets are no records."""

from confluent_kafka import Producer

from hookstream.stream.bounds import bounds
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.settled import Settlement
from hookstream.stream.tail import read_tail, settlement_headers
from hookstream.stream.topics import OUTCOMES
from tests.fixtures.kafka import PARTITIONS, wait_until

WITHIN_S = 40
ENDS = {0: 3, 1: 2, 2: 0, 3: 0}


def ends(kafka: KafkaSettings) -> dict[int, int]:
    return {
        partition: found.end for partition, found in bounds(kafka, OUTCOMES, PARTITIONS).items()
    }


def test_what_a_stranger_took_back_at_the_end_of_the_log_is_not_waited_for(
    kafka: KafkaSettings,
) -> None:
    """An aborted transaction leaves offsets that no reader is ever given."""
    topic = kafka.topic(OUTCOMES)
    settled = settlement_headers("d", Settlement(turn=1, result="succeeded", hash="h", source=0))
    ours = Producer(kafka.client("tests"))
    ours.produce(topic, b"ours", b"lane", 0, headers=settled)
    assert ours.flush(WITHIN_S) == 0
    stranger = Producer(kafka.client("tests") | {"transactional.id": kafka.topic_prefix})
    stranger.init_transactions(WITHIN_S)
    stranger.begin_transaction()
    for partition in (0, 1):
        stranger.produce(topic, b"taken back", partition=partition)
    assert stranger.flush(WITHIN_S) == 0
    stranger.abort_transaction(WITHIN_S)
    wait_until(lambda: ends(kafka) == ENDS, WITHIN_S)
    tail = read_tail(kafka, dict.fromkeys(range(PARTITIONS)))
    assert [(e.partition, e.offset, e.delivery) for e in tail.entries] == [(0, 0, "d")]
    assert tail.ends == ENDS
