"""The floor: consume a record, POST it, and nothing else. `python -m bench.floor …`.

No decoding, no signature, no health, no log, no commit: what any deliverer in this language has to
pay. Run as a process of its own; prints the CPU seconds that it spent from its first record on.
"""

import asyncio
import sys
import time
from typing import Any

import aiohttp
import uvloop
from confluent_kafka import Consumer

WORKERS = 128


async def _post(queue: "asyncio.Queue[Any]", session: aiohttp.ClientSession, url: str) -> None:
    while True:
        message = await queue.get()
        headers = {"webhook-id": message.key().decode()}
        async with session.post(url, data=message.value(), headers=headers) as answer:
            await answer.read()
        queue.task_done()


async def _run(servers: str, topic: str, url: str, count: int) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "bench-floor",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    queue: asyncio.Queue[Any] = asyncio.Queue(2 * WORKERS)
    taken, before = 0, 0.0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        workers = [asyncio.create_task(_post(queue, session, url)) for _ in range(WORKERS)]
        while taken < count:
            some = await asyncio.to_thread(_some, consumer)
            if some and not before:
                before = time.process_time()
            for message in some:
                await queue.put(message)
                taken += 1
        await queue.join()
        print(time.process_time() - before)
        for worker in workers:
            worker.cancel()
    consumer.close()


def _some(consumer: Consumer) -> list[Any]:
    first = consumer.poll(1.0)
    if first is None or first.error():
        return []
    return [first, *(m for m in consumer.consume(499, 0) if not m.error())]


if __name__ == "__main__":
    uvloop.run(_run(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
