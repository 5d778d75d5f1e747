"""What a broker that goes may answer is waited out; what will not pass is told at once."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from hookstream.stream.groups import waited_out


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._DESTROY_BROKER,
        KafkaError._TRANSPORT,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.NOT_COORDINATOR,
        KafkaError.OFFSET_NOT_AVAILABLE,
    ],
)
def test_what_passes_is_asked_again(code: int) -> None:
    asked: list[int] = []

    def ask(attempt: int) -> str:
        asked.append(attempt)
        if attempt == 0:
            raise KafkaException(KafkaError(code))
        return "known"

    assert waited_out(ask) == "known"
    assert asked == [0, 1]


def test_what_does_not_pass_is_raised_at_once() -> None:
    def ask(attempt: int) -> None:
        assert attempt == 0
        raise KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))

    with pytest.raises(KafkaException):
        waited_out(ask)
