"""router: starts its loop and ends it."""

import asyncio

from hookstream.model.records import Event
from hookstream.process.run import Context
from hookstream.process.streaming import Streaming
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import EVENTS
from services.router import metrics
from services.router.events_to_deliveries import Router
from services.router.settings import RouterSettings

SETTINGS = (KafkaSettings, RouterSettings)
GROUP = "router"


async def main(stop: asyncio.Event, context: Context) -> None:
    """Route until `stop`."""
    streaming = Streaming(context, GROUP, {GROUP: [EVENTS]})
    settings = context.environment.read(RouterSettings)
    if await streaming.open(stop):
        table, writer = streaming.table, streaming.writer
        router = Router(table, writer, streaming.dead, streaming.partitioning, settings)
        metrics.watch(router)
        streaming.loop(GROUP, router, kind=Event)
        await streaming.run(stop)
    await streaming.close()
