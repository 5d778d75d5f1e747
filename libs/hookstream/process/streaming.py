"""What every service on Kafka does alike: open, wait until ready, run its loops, close.

A service that cannot start as things are (topics not applied, a group's offsets gone, Kafka away)
stays, says so at `/healthz/ready` and in the log, and asks again every few seconds.
"""

import asyncio
import gc
import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from hookstream.model.records import Dead
from hookstream.process import streaming_metrics
from hookstream.process.run import Context, in_thread
from hookstream.stream.dead import DeadLetters, Decoder
from hookstream.stream.ends import Ends
from hookstream.stream.loop import Handler, Loop
from hookstream.stream.open import (
    NOT_NOW,
    announce_schemas,
    check_partitions,
    join_group,
    learn,
    number_schemas,
)
from hookstream.stream.partitioning import Partitioning
from hookstream.stream.registry import RegistrySettings, SchemaRegistry
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.writer import Answer, Writer

LOOP_MAX_AGE_S = 90.0
"""Longer than the longest thing a loop waits for: then it stands still."""
_AGAIN_S = 2.0
_KAFKA = "kafka"
logger = logging.getLogger(__name__)


class Streaming:
    """One service's end of Kafka: config in memory, a producer, dead letters, loops."""

    def __init__(self, context: Context, service: str, reads: Mapping[str, Sequence[str]]) -> None:
        """`reads`: consumer group -> the topics it reads (without prefix)."""
        self.kafka = context.environment.read(KafkaSettings)
        self._registry = _registry(context.environment.read(RegistrySettings), self.kafka)
        self.table: Table
        self.writer: Writer
        self.dead: DeadLetters
        self.partitioning: Partitioning
        self._context, self._service, self._reads = context, service, reads
        self._aio = asyncio.get_running_loop()
        self._reason: str | None = None
        self._failed = asyncio.Event()
        self._loops: dict[str, Loop] = {}
        self._dead_letters: Counter[tuple[str, str]] = Counter()

    async def open(
        self,
        stop: asyncio.Event,
        *,
        answers_here: bool = False,
        ack_within_ms: int = 0,
        linger_ms: float | None = None,
    ) -> bool:
        """Make everything; False if `stop` came first.

        `answers_here`: the broker's answers are handed over on this event loop, by batches.
        `ack_within_ms`: what is not acknowledged by then is answered as timed out; 0: never.
        `linger_ms`: as `Writer` takes it.
        """
        client = f"hookstream-{self._service}"
        self.table = Table(self.kafka, f"{client}-config")
        self.table.on_fault = self._fail
        self.writer = Writer(
            self.kafka,
            client,
            on_fatal=self._fail,
            dispatch=self._hand_over if answers_here else None,
            timeout_ms=ack_within_ms,
            linger_ms=linger_ms,
        )
        self.dead = DeadLetters(self.writer, self.table.codec, self._log_dead)
        streaming_metrics.watch(self._loops, self.writer, self._dead_letters)
        while not stop.is_set():
            try:
                await in_thread("open", self._join)
            except NOT_NOW as error:
                await self._wait(stop, str(error))
            else:
                self.partitioning = Partitioning(self.table, self.writer, self._draining)
                self._context.health.ready(_KAFKA)
                self._context.health.started()
                logger.info("ready", extra={"fields": {"groups": list(self._reads)}})
                gc.collect()
                gc.freeze()  # what is there now stays: the collector need not look at it again
                return True
        return False

    def loop(
        self, group: str, handler: Handler, *, kind: type[Struct] | None, **options: Any
    ) -> Loop:
        """A loop over what `group` reads, its liveness watched; `options` as `Loop` takes them.

        kind: the records that belong on its topics; None: bytes, left as they are.
        """
        decoder = Decoder(self.table.codec, self.dead, self.table.catch_up, kind) if kind else None
        watched = self._watched(group, handler)
        loop = Loop(
            self.kafka,
            group,
            self._reads[group],
            watched,
            decoder=decoder,
            is_new=lambda topic, partition: self._is_new(group, topic, partition),
            **options,
        )
        health = self._context.health
        health.not_ready(group, "joining its group")
        loop.on_joined = lambda: health.ready(group)
        streaming_metrics.time_turns(loop)
        loop.on_gap = self.dead.lost
        self._loops[group] = loop
        return loop

    async def run(self, stop: asyncio.Event, *beside: "asyncio.Task[None]") -> None:
        """Run the loops until `stop`, or until something fails, which is raised.

        A task of `beside` that ends early ends it all; ending those that run is the caller's.
        """
        stopping = asyncio.create_task(stop.wait())
        failed = asyncio.create_task(self._failed.wait())
        looping = [asyncio.create_task(in_thread(n, lo.run)) for n, lo in self._loops.items()]
        known = threading.Event()
        ends = Ends(self.kafka, list(self._loops.values()))
        asking = asyncio.create_task(in_thread("ends", lambda: ends.run(known)))
        await asyncio.wait(
            {stopping, failed, asking, *looping, *beside}, return_when=asyncio.FIRST_COMPLETED
        )
        for loop in self._loops.values():
            loop.stop()
        # Each leaves its group, also where another has failed.
        await asyncio.gather(*looping, return_exceptions=True)
        known.set()
        await asking
        stopping.cancel()
        failed.cancel()
        for task in (*looping, *beside):
            if task.done():
                task.result()
        if self._reason is not None:
            raise RuntimeError(self._reason)

    async def close(self) -> None:
        """After the loops have ended: what is produced is acknowledged, as far as time allows."""
        await in_thread("close", self.writer.close)
        await in_thread("close", self.table.close)
        if self._registry is not None:
            self._registry.close()

    def _join(self) -> None:
        self.table.catch_up()
        check_partitions(self.kafka, self.table.config.topics)
        announce_schemas(self.table, self.writer)
        if self._registry is not None:
            self.table.look_up = learn(self._registry, self.table, self.writer)
            for why in number_schemas(self._registry, self.table, self.writer):
                logger.warning("schemas are written as config knows them: %s", why)
        for group, topics in self._reads.items():
            join_group(self.kafka, self.table, self.writer, group, *topics)

    def _is_new(self, group: str, topic: str, partition: int) -> bool:
        """Whether a topic has grown to this partition since the group was noted."""
        noted = self.table.config.groups.get(group)
        return noted is not None and partition >= noted.partitions.get(topic, partition + 1)

    def _draining(self, why: str | None) -> None:
        self._context.health.note("topics", why)
        logger.info(why or "deliveries may be written")

    async def _wait(self, stop: asyncio.Event, reason: str) -> None:
        self._context.health.not_ready(_KAFKA, reason)
        logger.warning("not ready: %s", reason)
        with_timeout = asyncio.wait_for(stop.wait(), _AGAIN_S)
        await asyncio.gather(with_timeout, return_exceptions=True)

    def _watched(self, group: str, handler: Handler) -> Handler:
        health, turned = self._context.health, handler.turned
        health.expect(group, LOOP_MAX_AGE_S)

        def beat() -> None:
            health.beat(group)
            turned()

        handler.turned = beat  # type: ignore[method-assign]
        return handler

    def _hand_over(self, answers: Sequence[Answer]) -> None:
        self._aio.call_soon_threadsafe(self._call_each, answers)

    def _call_each(self, answers: Sequence[Answer]) -> None:
        for on_ack, ack in answers:
            try:
                on_ack(ack)
            except Exception as error:  # a fault of ours: what it was for would wait for ever
                logger.exception("an answer of the broker was not handled")
                self._fail(f"an answer of the broker was not handled: {error!r}")

    def _fail(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._aio.call_soon_threadsafe(self._failed.set)

    def _log_dead(self, dead: Dead) -> None:
        self._dead_letters[dead.topic, dead.reason] += 1
        fields = {"topic": dead.topic, "partition": dead.partition, "offset": dead.offset}
        logger.error("dead", extra={"fields": fields | {"reason": dead.reason}})


def _registry(settings: RegistrySettings, kafka: KafkaSettings) -> SchemaRegistry | None:
    return SchemaRegistry(settings, kafka.topic_prefix) if settings.url else None
