"""deliverer: starts its loop and ends it."""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping

from hookstream.model.records import Attempt, Delivery, Outcome
from hookstream.model.seal import NONCE
from hookstream.process.heap import return_big_blocks
from hookstream.process.logs import Logs
from hookstream.process.run import Context
from hookstream.process.sealing import SealSettings
from hookstream.process.settings import SettingsError
from hookstream.process.streaming import Streaming
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.tail import Tail, read_tail
from hookstream.stream.topics import DELIVERIES, OUTCOMES
from services.deliverer import metrics
from services.deliverer.connections import Connections
from services.deliverer.deliveries_to_outcomes import MOST_AHEAD, Deliverer
from services.deliverer.egress import Egress
from services.deliverer.halt import Halt
from services.deliverer.lanes import Lanes
from services.deliverer.links import Links
from services.deliverer.request_of import RequestOf
from services.deliverer.send import Sender
from services.deliverer.settings import DelivererSettings, EgressSettings
from services.deliverer.settle import Settler
from services.deliverer.transport import AiohttpTransport
from services.deliverer.webhooks import Webhooks

SETTINGS = (KafkaSettings, SealSettings, DelivererSettings, EgressSettings)
GROUP = "deliverer"
_STOP_S = 18.0
"""What requests in flight get to end when the process stops."""
_LINGER_MS = 5.0
"""Of outcomes: no receiver waits for them, and acks come together."""
_HELD_BYTES = 128 * 1024 * 1024
"""Of deliveries, by their size in Kafka. One slow webhook may hold half: 128 of 512 KiB each."""
READS = {
    "queued.max.messages.kbytes": 4 * 1024,
    "fetch.message.max.bytes": 256 * 1024,
    "fetch.max.bytes": 4 * 1024 * 1024,
}
"""Some 3,000 deliveries of 1 KB read ahead, a third of a second's work. As the loop reads
otherwise, librdkafka held 30 MB. A record larger than that is still fetched, alone."""


def clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


async def main(
    stop: asyncio.Event, context: Context, reached: Callable[[str], None] = lambda _: None
) -> None:
    """Deliver until `stop`; then end what is open within the budget."""
    return_big_blocks()
    streaming = Streaming(context, GROUP, {GROUP: [DELIVERIES]})
    if await streaming.open(stop, answers_here=True, linger_ms=_LINGER_MS):
        streaming.table.follow()
        sender = _sender(context)
        deliverer = _deliverer(streaming, context, sender, reached)
        metrics.observe_remembered(lambda: deliverer.remembered)
        loop = streaming.loop(
            GROUP,
            deliverer,
            kind=Delivery,
            stop_within_s=_STOP_S,
            max_records=20_000,
            max_bytes=_HELD_BYTES,
            batch=MOST_AHEAD,
            consumer=READS,
        )
        deliverer.steady = loop.steady
        ticking = asyncio.create_task(deliverer.tick())
        await streaming.run(stop, ticking)
        ticking.cancel()
        await sender.close()
    await streaming.close()


def _sender(context: Context) -> Sender:
    egress = context.environment.read(EgressSettings)
    slots = context.environment.read(DelivererSettings).slots
    connections = Connections(egress, _guard(egress).open_socket, slots)
    return Sender(AiohttpTransport(connections, egress.connect_timeout_s))


def _guard(settings: EgressSettings) -> Egress:
    guard = Egress(settings.networks, settings.sources)
    try:
        guard.check_sources()
    except OSError as error:
        given = ", ".join(settings.source_address)
        problem = f"HOOKSTREAM_EGRESS_SOURCE_ADDRESS: {given}: {error.strerror}"
        raise SettingsError([f"{problem} (give addresses of this machine)"]) from error
    return guard


def _deliverer(
    streaming: Streaming, context: Context, sender: Sender, reached: Callable[[str], None]
) -> Deliverer:
    read, table = context.environment.read, streaming.table
    settings, keys = read(DelivererSettings), read(SealSettings).parsed()
    links = Links(keys, settings.public_url, lambda: secrets.token_bytes(NONCE))
    settler = Settler(
        streaming.writer,
        table.codec,
        streaming.dead,
        streaming.partitioning,
        turn_log(context.logs),
        reached,
    )
    lanes = Lanes(settings.slots, settings.waiting_mb * 1024 * 1024)
    metrics.observe_lanes(lanes)
    return Deliverer(
        lanes=lanes,
        sender=sender,
        webhooks=Webhooks(table),
        request_of=RequestOf(keys, links.of),
        settler=settler,
        halt=_halt(streaming, context),
        read_tail=lambda log_from: _tail(streaming, log_from),
        is_misplaced=streaming.partitioning.is_misplaced,
        clock_ms=clock_ms,
    )


def _halt(streaming: Streaming, context: Context) -> Halt:
    halt = Halt(streaming.table, lambda why: context.health.note("sending", why))
    metrics.observe_halt(halt)
    return halt


def _tail(streaming: Streaming, log_from: Mapping[int, int | None]) -> Tail:
    """By config as it is now: a partition may be taken over that has only just come."""
    streaming.table.catch_up()
    streaming.partitioning.until_known(OUTCOMES, max(log_from, default=-1) + 1)
    return read_tail(streaming.kafka, log_from, streaming.table.config.topics)


def turn_log(logs: Logs) -> Callable[[Outcome], None]:
    """One line a turn (of level info), when its outcome is acknowledged; what is counted is read
    when exported."""
    turns = metrics.Turns()

    def log(outcome: Outcome) -> None:
        turns.count(outcome)
        logs.line("turn", _line(outcome, outcome.attempt))

    return log if logs.writes("info") else turns.count


def _line(outcome: Outcome, attempt: Attempt | None) -> dict[str, object]:
    return {
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
    }
