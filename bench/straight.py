"""Webhooks written straight to the topic config, for rows that need more than an API should make.

Their version is 0: of a webhook that stands in no database, status must not think that the
database was lost.
"""

import base64
import secrets
import time
from collections.abc import Callable, Iterable, Sequence

from bench.kafka_load import KafkaLoadError
from bench.stage import Stage
from hookstream.model.config import key_of
from hookstream.model.policy import Policy, Schedule
from hookstream.model.records import Webhook
from hookstream.model.seal import NONCE, secret_place
from hookstream.process.sealing import SealSettings
from hookstream.stream.codec import Codec
from hookstream.stream.topics import CONFIG, partition_of
from hookstream.stream.writer import Ack, Full, Writer

PLAIN = Policy(id="bench", name="Bench", schedule=Schedule(delays_ms=(30_000,), max_requests=2))
_ACKED_S = 120.0
_FULL_S = 0.01


class Maker:
    """Makes webhooks of one stage's workspace, signed by secrets of their own."""

    def __init__(self, stage: Stage) -> None:
        self._workspace = stage.entrance.workspace
        self._keys = stage.system.environment.read(SealSettings).parsed()

    def webhook(
        self, name: str, url: str, events: Sequence[str], policy: Policy = PLAIN
    ) -> Webhook:
        """One webhook; its name is its id and its lane."""
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        place = secret_place(self._workspace, name)
        return Webhook(
            id=name,
            workspace=self._workspace,
            version=0,
            name=name,
            state="active",
            url=url,
            events=tuple(events),
            lane=name,
            policy=policy,
            secrets=(self._keys.seal(secret.encode(), place, secrets.token_bytes(NONCE)),),
        )


def configure(stage: Stage, webhooks: Iterable[Webhook]) -> None:
    """Write them; returns once Kafka has all."""
    wrong: list[str] = []
    writer = Writer(stage.system.kafka, "hookstream-bench-config", on_fatal=wrong.append)
    codec = Codec()

    def acked(ack: Ack) -> None:
        if ack.refused:
            wrong.append(ack.refused.value)

    for webhook in webhooks:
        _put(writer, key_of(webhook), codec.encode(webhook), acked)
    if not writer.close(_ACKED_S) or wrong:
        raise KafkaLoadError(f"Kafka did not take all webhooks: {wrong[:3]}")


def _put(writer: Writer, key: str, value: bytes, acked: Callable[[Ack], None]) -> None:
    deadline = time.monotonic() + _ACKED_S
    while time.monotonic() < deadline:
        try:
            writer.produce(CONFIG, value, acked, key=key)
            return
        except Full:
            time.sleep(_FULL_S)
    raise KafkaLoadError(f"Kafka took no webhook for {_ACKED_S:.0f} s")


def same_partition(first: str, start: str, partitions: int) -> str:
    """A name that begins with `start` and whose lane is in the partition of `first`."""
    wanted = partition_of(first.encode(), partitions)
    numbers = range(100_000)
    return next(
        name
        for n in numbers
        if partition_of((name := f"{start}{n}").encode(), partitions) == wanted
    )
