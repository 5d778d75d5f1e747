"""The row `memory`: how much the deliverer holds while 2,000 requests of 8 KB are in flight.

All receivers answer after two seconds, and far more waits on the topic than they take, so the rest
is put off meanwhile: what is in flight, in the producer's queue and read ahead is at its most.
"""

from bench.counts import check
from bench.kafka_load import Load
from bench.payloads import LANES, Times
from bench.row import Row, row_of
from bench.rows import some
from bench.session import Session
from bench.stage import PARTITIONS, Stage
from bench.straight import Maker, configure
from bench.watch import most_mb, stretch
from hookstream.model.records import Webhook

SIZE = 8 * 1024
SLOTS = 2_760
"""Slow receivers have three quarters of the slots, and leave what one of them has for one more that
comes: of 64, about 2,000 of these are used."""


def in_flight(session: Session) -> Row:
    """Figures: the most that was in flight, and the most memory that was resident."""
    slots = {"HOOKSTREAM_DELIVERER_SLOTS": str(SLOTS)}
    with session.fresh("memory", settings=slots) as stage:
        webhooks = _webhooks(stage)
        stage.only()
        times: Times = {}
        with Load(stage.system.kafka) as load:
            made = session.events(stage, session.sizes.events, times, "slow", _data)
            load.deliveries(made, webhooks, PARTITIONS)
        stage.receiver.clear()
        stage.start_deliverer()
        unanswered: list[int] = []

        def received() -> int:
            unanswered.append(stage.receiver.unanswered())
            return stage.receiver.total()

        samples = stage.watch(received, len(times))
        check(stage.receiver.record(), times, 1)
    done = stretch(samples)
    row = row_of("memory", done.records, done.seconds, some(done.cpu, "deliverer", "retry"))
    row.figures = {
        "in_flight_most": max(unanswered),
        "deliverer_ready_mb": samples[0].rss_mb["deliverer"],
        "deliverer_most_mb": most_mb(samples, "deliverer"),
    }
    return row


def _webhooks(stage: Stage) -> list[Webhook]:
    maker, url = Maker(stage), stage.receiver.url
    lanes = range(LANES)
    made = [maker.webhook(f"slow{n}", f"{url}/slow/{n}", [f"slow.{n}"]) for n in lanes]
    configure(stage, made)
    return made


def _data(number: int) -> bytes:
    """JSON of `SIZE` bytes."""
    head = b'{"seq":%d,"text":"' % number
    return head + b"x" * (SIZE - len(head) - 2) + b'"}'
