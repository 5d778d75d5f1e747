"""What a turn costs the deliverer's own thread: `python -m bench.turns [TURNS] [RUNS]`.

Real requests to a real receiver, all of the deliverer but Kafka: records are made beforehand, and
what is produced is acknowledged at once, in batches. The least of several runs is told, which
hardly depends on what else the machine does: for comparing two versions, one after the other.
"""

import asyncio
import base64
import gc
import os
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import uvloop
from opentelemetry import metrics

from hookstream.model.config import Config
from hookstream.model.ids import delivery_id, payload_hash
from hookstream.model.policy import Policy
from hookstream.model.records import Delivery, Event, Webhook
from hookstream.model.seal import Keys, secret_place
from hookstream.process.logs import Logs
from hookstream.process.run import GC_THRESHOLDS
from hookstream.process.telemetry import TelemetrySettings, make
from hookstream.stream.codec import Codec
from hookstream.stream.record import Assignment, Record
from hookstream.stream.settled import Settled
from hookstream.stream.window import Committed
from hookstream.stream.writer import Ack
from services.cli.receiving import Receiving
from services.deliverer.connections import Connections
from services.deliverer.deliveries_to_outcomes import Deliverer
from services.deliverer.egress import Egress
from services.deliverer.halt import Halt
from services.deliverer.lanes import Lanes
from services.deliverer.main import clock_ms, turn_log
from services.deliverer.partition import Partition
from services.deliverer.request_of import RequestOf
from services.deliverer.send import Sender
from services.deliverer.settings import EgressSettings
from services.deliverer.settle import Settler
from services.deliverer.transport import AiohttpTransport

WEBHOOKS = 64
OPEN = 256
SLOTS = 2000
_DATA = b'{"text":"' + b"x" * 1013 + b'"}'
_TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


class Acknowledging:
    """In a writer's place: answers all that was produced within a round of the loop at once."""

    def __init__(self) -> None:
        self._answers: list[Callable[[Ack], None]] = []
        self._offset = 0

    def produce(self, _: str, value: bytes, on_ack: Callable[[Ack], None], **more: Any) -> None:
        """As `Writer.produce`."""
        del value, more
        if not self._answers:
            asyncio.get_running_loop().call_later(0.002, self._answer)
        self._answers.append(on_ack)

    def _answer(self) -> None:
        answers, self._answers = self._answers, []
        for on_ack in answers:
            self._offset += 1
            on_ack(Ack(self._offset))


class Known:
    """In the table's place: webhooks that never change."""

    def __init__(self, webhooks: list[Webhook]) -> None:
        self._known = {webhook.id: webhook for webhook in webhooks}
        self.get = self._known.get
        self.config = Config()

    def on_change(self, _: object) -> None:
        """It never changes."""

    def is_cancelled(self, _: str) -> bool:
        """Never."""
        return False

    def is_behind(self, _: Delivery) -> bool:
        """Never."""
        return False


def webhooks(url: str, keys: Keys) -> list[Webhook]:
    """Signed, by the standard policy."""
    policy = Policy(id="pol_1", name="Standard")
    secret = b"whsec_" + base64.b64encode(bytes(32))
    return [
        Webhook(
            id=f"wh_{number:016}",
            workspace="ws_1",
            version=1,
            name=f"w{number}",
            state="active",
            url=f"{url}/{number}",
            lane=f"wh_{number:016}",
            policy=policy,
            secrets=(keys.seal(secret, secret_place("ws_1", f"wh_{number:016}"), bytes(12)),),
        )
        for number in range(WEBHOOKS)
    ]


def records(made: list[Webhook], run: int, count: int, assignment: Assignment) -> list[Record]:
    """First turns, due now."""
    found, now_ms, codec = [], clock_ms(), Codec()
    for number in range(count):
        webhook, id_ = made[number % len(made)], f"evt_{run}_{number}"
        event = Event(workspace="ws_1", id=id_, type="bench.1", created_at_ms=now_ms, data=_DATA)
        delivery = Delivery(
            id=delivery_id(webhook.id, id_),
            turn=1,
            webhook=webhook.id,
            webhook_version=1,
            lane=webhook.lane,
            event=event,
            due_at_ms=now_ms,
            give_up_at_ms=now_ms + 86_400_000,
            logged_at_ms=now_ms,
        )
        headers = {"hash": payload_hash(event).encode(), "traceparent": _TRACE}
        offset = run * count + number
        record = Record(assignment, offset, now_ms, b"", headers, codec.encode(delivery))
        record.value = delivery
        found.append(record)
    return found


def deliverer(made: list[Webhook], keys: Keys, sender: Sender, logs: Logs) -> Deliverer:
    """As the service makes it, but for Kafka."""
    writer, table, unused = cast(Any, Acknowledging()), cast(Any, Known(made)), cast(Any, None)
    return Deliverer(
        lanes=Lanes(SLOTS, 64 * 1024 * 1024),
        sender=sender,
        webhooks=table,
        request_of=RequestOf(keys),
        settler=Settler(writer, Codec(), unused, unused, turn_log(logs)),
        halt=Halt(table),
        read_tail=unused,
        clock_ms=clock_ms,
    )


async def measured(url: str, turns: int, runs: int) -> list[float]:
    """CPU seconds of each run."""
    keys, settings = Keys([bytes(32)]), EgressSettings(allow=("127.0.0.0/8",))
    connections = Connections(settings, Egress(settings.networks).open_socket, SLOTS)
    sender = Sender(AiohttpTransport(connections, settings.connect_timeout_s))
    made, logs = webhooks(url, keys), Logs("bench", fd=os.open(os.devnull, os.O_WRONLY))
    runner = deliverer(made, keys, sender, logs)
    ticking = asyncio.create_task(runner.tick())
    events = _Ended()
    assignment = Assignment("deliveries", 0, Committed(offset=0), cast(Any, events))
    assignment.state = Partition(Settled(), 0, lambda: True)
    spent = []
    for run in range(runs + 1):
        waiting = records(made, run, turns, assignment)
        begun, events.left = time.process_time(), turns
        while events.left:
            room = OPEN - (events.left - len(waiting))
            if waiting and room >= OPEN // 4:
                runner.handle(waiting[:room])
                del waiting[:room]
            await asyncio.sleep(0.001)
        spent.append(time.process_time() - begun)
    ticking.cancel()
    await sender.close()
    logs.close()
    return spent[1:]  # in the first, lanes learn and connections are opened


class _Ended:
    """In the place of the loop's queue: counts down what is done."""

    def __init__(self) -> None:
        self.left = 0

    def append(self, event: tuple[Assignment, int, int | None]) -> None:
        """As the queue's."""
        if event[2] is None:
            self.left -= 1


def main(turns: int, runs: int) -> None:
    """Print the least, and the median."""
    telemetry = make("bench", "0", TelemetrySettings())
    metrics.set_meter_provider(telemetry.meters)
    gc.set_threshold(*GC_THRESHOLDS)
    with Receiving() as receiver:
        spent = sorted(uvloop.run(measured(receiver.url, turns, runs)))
        answered = sum(receiver.counts().values())
    if answered != turns * (runs + 1):
        sys.exit(f"{answered} requests were answered of {turns * (runs + 1)}")
    least, middle = (seconds / turns * 1e6 for seconds in (spent[0], spent[len(spent) // 2]))
    print(f"{least:.1f} µs of CPU a turn (median {middle:.1f}) in {runs} runs of {turns}")


if __name__ == "__main__":
    main(*(int(given) for given in (*sys.argv[1:], "3000", "10")[:2]))
