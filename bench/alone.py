"""Rows of services alone: what is before them is done, what is after them does not run."""

from bench.payloads import LANES
from bench.row import Row, row_of
from bench.rows import some
from bench.session import Session
from bench.stage import Stage
from bench.straight import Maker, configure
from bench.topics import Ends
from bench.watch import stretch
from hookstream.stream.topics import DELIVERIES, EVENTS, OUTCOMES

_MORE = 2
"""The router is fast: twice the events, so that looking at it five times a second says enough."""


def router(session: Session) -> Row:
    """Events wait on their topic; each becomes one delivery."""
    count = _MORE * session.sizes.events
    with session.fresh("router") as stage:
        stage.only()
        _configure(stage)
        session.produce(stage, count, "alone")
        ends = Ends(stage.system.kafka, DELIVERIES)
        stage.only("router")
        samples = stage.watch(ends.total, count)
        ends.close()
    done = stretch(samples)
    return row_of("router", done.records, done.seconds, some(done.cpu, "router", "kafka"))


def status(session: Session) -> Row:
    """Events and outcomes wait on their topics; figures are of events, each with its outcome."""
    count = session.sizes.events
    with session.fresh("status") as stage:
        stage.only("router", "deliverer", "retry")
        _configure(stage)
        _deliver(session, stage, count)
        stage.only()
        ends = Ends(stage.system.kafka, EVENTS, OUTCOMES)
        total = ends.total()
        ends.close()
        stage.only("status")
        samples = stage.watch(lambda: stage.logged(EVENTS) + stage.logged(OUTCOMES), total)
    done = stretch(samples)
    events = round(done.records * count / total)
    row = row_of("status", events, done.seconds, some(done.cpu, "status", "postgres", "kafka"))
    row.figures = {"records_per_event": total / count}
    return row


def _configure(stage: Stage) -> None:
    maker, url = Maker(stage), stage.receiver.url
    lanes = range(LANES)
    configure(stage, [maker.webhook(f"alone{n}", f"{url}/{n}", [f"alone.{n}"]) for n in lanes])


def _deliver(session: Session, stage: Stage, count: int) -> None:
    stage.receiver.clear()
    session.produce(stage, count, "alone")
    stage.await_arrivals(count)
    stage.await_quiet()
