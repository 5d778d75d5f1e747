"""retry: starts its loop and its delay line, and ends them."""

import asyncio
import sys

from hookstream.process.run import Context, in_thread
from hookstream.process.streaming import Streaming
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import RETRY, TIERS
from hookstream.stream.trim import Trimmer
from services.retry import metrics
from services.retry.delay_line import clock_ms
from services.retry.settings import RetrySettings
from services.retry.tiers_to_deliveries import Retry

SETTINGS = (KafkaSettings, RetrySettings)
GROUP = "retry"
READS = {
    "queued.min.messages": 1_000,
    "queued.max.messages.kbytes": 1_024,
    "max.partition.fetch.bytes": 128 * 1024,
    "fetch.min.bytes": 64 * 1024,
    "fetch.wait.max.ms": 30,
}
"""Small: a partition that has enough for now is paused after one read more. Gathered for 30 ms:
what is due at once is late by that; a read for each record cost five times as much."""
UNBOUNDED = {"max_records": sys.maxsize, "max_bytes": sys.maxsize}
"""The handler keeps bounds of its own."""


async def main(stop: asyncio.Event, context: Context) -> None:
    """Hold back and release until `stop`."""
    streaming = Streaming(context, GROUP, {GROUP: [RETRY, *TIERS]})
    settings = context.environment.read(RetrySettings)
    if await streaming.open(stop):
        streaming.table.follow()
        retry = Retry(
            streaming.writer,
            streaming.dead,
            streaming.partitioning,
            settings,
            clock_ms,
            metrics.late(),
        )
        metrics.watch(retry)
        loop = streaming.loop(GROUP, retry, kind=None, consumer=READS, **UNBOUNDED)
        trimmer = Trimmer(streaming.kafka, loop, settings.trim_every_s)
        releasing = asyncio.create_task(in_thread("delay line", retry.line.run))
        trimming = asyncio.create_task(in_thread("trimmer", trimmer.run))
        await streaming.run(stop, releasing, trimming)
        trimmer.stop()
        retry.line.close()
    await streaming.close()
