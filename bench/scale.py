"""Rows of several processes of one service on one broker: what more of them bring."""

from bench import payloads
from bench.counts import check
from bench.kafka_load import Load
from bench.payloads import LANES, Times
from bench.row import Row, row_of
from bench.rows import some
from bench.session import Session
from bench.stage import Stage
from bench.straight import Maker, configure
from bench.topics import Ends
from bench.watch import stretch
from hookstream.model.records import Webhook
from hookstream.stream.topics import DELIVERIES

PROCESSES = (1, 2, 3)
PARTITIONS = 12
"""Shared evenly by each of these."""
_MORE = 2
_JOINED = 0.2
"""What is done before: batches fill, connections open."""


def deliverers(session: Session, count: int) -> Row:
    """So many deliverers share the partitions; deliveries come as fast as they can be written."""
    total = _MORE * session.sizes.events
    with session.fresh(f"deliverers-{count}", partitions=PARTITIONS) as stage:
        maker, url, times = Maker(stage), stage.receiver.url, Times()
        webhooks = [maker.webhook(f"s{n}", f"{url}/{n}", [f"scale.{n}"]) for n in range(LANES)]
        configure(stage, webhooks)
        stage.only("retry")
        with stage.processes("deliverer", count):
            stage.receiver.clear()
            _deliver(session, stage, webhooks, session.sizes.warm, Times())
            stage.await_arrivals(session.sizes.warm)
            stage.receiver.clear()
            _deliver(session, stage, webhooks, total, times)
            samples = stage.watch(stage.receiver.total, total)
        check(stage.receiver.record(), times, 1)
    done = stretch(samples, _JOINED)
    cpu = some(done.cpu, "deliverer", "retry", "kafka")
    return row_of(f"deliverers-{count}", done.records, done.seconds, cpu)


def _deliver(
    session: Session, stage: Stage, webhooks: list[Webhook], count: int, times: Times
) -> None:
    with Load(stage.system.kafka) as load:
        load.deliveries(session.events(stage, count, times, "scale"), webhooks, PARTITIONS)


def routers(session: Session, count: int) -> Row:
    """So many routers share the partitions; each event becomes one delivery."""
    total = 2 * _MORE * session.sizes.events
    with session.fresh(f"routers-{count}", partitions=PARTITIONS) as stage:
        maker, url = Maker(stage), stage.receiver.url
        names = range(payloads.LANES)
        configure(stage, [maker.webhook(f"s{n}", f"{url}/{n}", [f"scale.{n}"]) for n in names])
        stage.only()
        ends = Ends(stage.system.kafka, DELIVERIES)
        with stage.processes("router", count):
            session.produce(stage, total, "scale")
            samples = stage.watch(ends.total, total)
        ends.close()
    done = stretch(samples, _JOINED)
    cpu = some(done.cpu, "router", "kafka")
    return row_of(f"routers-{count}", done.records, done.seconds, cpu)
