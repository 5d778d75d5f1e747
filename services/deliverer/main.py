"""deliverer: starts its loop and ends it."""

import asyncio
import time
from collections.abc import Callable, Sequence

from opentelemetry import metrics

from hookstream.model.records import Outcome
from hookstream.process.logs import Logs
from hookstream.process.run import Context, in_thread
from hookstream.process.sealing import SealSettings
from hookstream.stream.dead import DeadLetters, Decoder
from hookstream.stream.loop import Loop
from hookstream.stream.open import announce_schemas, check_partitions, join_group, partitions
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.tail import read_tail
from hookstream.stream.topics import DELIVERIES
from hookstream.stream.writer import Answer, Writer
from services.deliverer.connections import Connections
from services.deliverer.deliveries_to_outcomes import Deliverer
from services.deliverer.egress import Egress
from services.deliverer.lanes import Lanes
from services.deliverer.request_of import RequestOf
from services.deliverer.send import Sender
from services.deliverer.settings import DelivererSettings, EgressSettings
from services.deliverer.settle import Settler
from services.deliverer.transport import AiohttpTransport
from services.deliverer.webhooks import Webhooks

SETTINGS = (KafkaSettings, SealSettings, DelivererSettings, EgressSettings)
GROUP = "deliverer"
_LOOP_MAX_AGE_S = 90.0
_STOP_S = 18.0
"""What requests in flight get to end when the process stops."""
_HELD_BYTES = 128 * 1024 * 1024


def clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


async def main(
    stop: asyncio.Event, context: Context, reached: Callable[[str], None] = lambda _: None
) -> None:
    """Deliver until `stop`; then end what is open within the budget."""
    running = await Running.start(context, reached)
    stopping = asyncio.create_task(stop.wait())
    looping = asyncio.create_task(in_thread(GROUP, running.loop.run))
    ticking = asyncio.create_task(running.deliverer.tick())
    failed = asyncio.create_task(running.failed.wait())
    tasks = {stopping, looping, ticking, failed}
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    running.loop.stop()
    await looping
    for task in tasks - {looping}:
        task.cancel()
    if ticking.done() and not ticking.cancelled():
        ticking.result()
    await running.close()
    if running.reasons:
        raise RuntimeError(running.reasons[0])


class Running:
    """A deliverer with all that it works with."""

    def __init__(self, context: Context, reached: Callable[[str], None]) -> None:
        read = context.environment.read
        self._kafka, self._settings = read(KafkaSettings), read(DelivererSettings)
        self._egress, self._keys = read(EgressSettings), read(SealSettings).parsed()
        self._context, self._reached = context, reached
        self._aio = asyncio.get_running_loop()
        self.reasons: list[str] = []
        self.failed = asyncio.Event()
        self.deliverer: Deliverer
        self.loop: Loop

    @classmethod
    async def start(cls, context: Context, reached: Callable[[str], None]) -> "Running":
        """Everything made, nothing read yet. Raises what needs a person or a new process."""
        running = cls(context, reached)
        await in_thread("open", running._open)
        running._wire()
        context.health.started()
        return running

    def _open(self) -> None:
        self._table = Table(self._kafka, "hookstream-deliverer-config")
        self._table.catch_up()
        check_partitions(self._kafka, self._table.config.topics)
        self._writer = Writer(
            self._kafka, "hookstream-deliverer", on_fatal=self._fail, dispatch=self._dispatch
        )
        announce_schemas(self._table, self._writer)
        join_group(self._kafka, self._table, self._writer, GROUP, DELIVERIES)
        self._table.follow()

    def _wire(self) -> None:
        table, slots = self._table, self._settings.slots
        dead = DeadLetters(self._writer, table.codec, lambda _: None)
        connections = Connections(self._egress, Egress(self._egress.networks).open_socket, slots)
        self._sender = Sender(AiohttpTransport(connections, self._egress.connect_timeout_s))
        self.deliverer = Deliverer(
            lanes=Lanes(slots, self._settings.waiting_mb * 1024 * 1024),
            sender=self._sender,
            webhooks=Webhooks(table),
            request_of=RequestOf(self._keys),
            settler=Settler(
                self._writer,
                table.codec,
                dead,
                partitions(table, DELIVERIES),
                turn_log(self._context.logs),
                self._reached,
            ),
            read_tail=lambda log_from: read_tail(self._kafka, log_from),
            clock_ms=clock_ms,
        )
        self.loop = Loop(
            self._kafka,
            GROUP,
            [DELIVERIES],
            self.deliverer,
            decoder=Decoder(table.codec, dead, table.catch_up),
            stop_within_s=_STOP_S,
            max_records=20_000,
            max_bytes=_HELD_BYTES,
        )
        self.deliverer.steady = self.loop.steady
        self._context.health.expect(GROUP, _LOOP_MAX_AGE_S)
        self.deliverer.on_turn = lambda: self._context.health.beat(GROUP)

    async def close(self) -> None:
        """After the loop has ended."""
        await self._sender.close()
        await in_thread("close", self._writer.close)
        await in_thread("close", self._table.close)

    def _dispatch(self, answers: Sequence[Answer]) -> None:
        self._aio.call_soon_threadsafe(_call_each, answers)

    def _fail(self, reason: str) -> None:
        self.reasons.append(reason)
        self._aio.call_soon_threadsafe(self.failed.set)


def _call_each(answers: Sequence[Answer]) -> None:
    for on_ack, ack in answers:
        on_ack(ack)


def turn_log(logs: Logs) -> Callable[[Outcome], None]:
    """One line and one measurement a turn, when its outcome is acknowledged."""
    meter = metrics.get_meter("hookstream.deliverer")
    turns = meter.create_counter("hookstream.turns", description="Turns ended, by result")
    durations = meter.create_histogram("http.client.request.duration", "s")

    def log(outcome: Outcome) -> None:
        attempt = outcome.attempt
        turns.add(1, {"result": outcome.result, "reason": outcome.reason or ""})
        if attempt is not None:
            labels = {"http.response.status_code": attempt.status or 0}
            durations.record(attempt.duration_ms / 1000, labels)
        logs.line(
            "turn",
            {
                "delivery": outcome.delivery,
                "turn": outcome.turn,
                "webhook": outcome.webhook,
                "event": outcome.event,
                "result": outcome.result,
                "reason": outcome.reason,
                "status": attempt.status if attempt else None,
                "error": attempt.error if attempt else None,
                "duration_ms": attempt.duration_ms if attempt else None,
                "next_due_at_ms": outcome.next_due_at_ms,
                "trace_id": outcome.trace_id,
            },
        )

    return log
