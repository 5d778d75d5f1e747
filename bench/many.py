"""Rows of many webhooks: many configured, and many for one event."""

from bench import payloads
from bench.http_load import closed_loop
from bench.kafka_load import Load
from bench.payloads import LANES, Times
from bench.row import Row, row_of
from bench.session import Session
from bench.stage import Measured, Stage
from bench.straight import Maker, configure
from services.cli.settings import SERVICES

CONFIGURED = (10, 1_000, 10_000, 100_000)
FANS = (1, 4, 10, 100, 1_000)
_LEAST_EVENTS = 20
_READERS = ("ingest", "router", "deliverer", "retry", "status")
"""Services that hold the configuration in memory."""


def webhooks(session: Session, count: int) -> Row:
    """The whole system with so many webhooks, each asked for by events of its own, in turn.

    Figures: how long each service took until it was ready, and its memory then and afterwards.
    """
    with session.fresh("many") as stage:
        stage.only()
        maker, url = Maker(stage), f"{stage.receiver.url}/many"
        lanes = ((f"many{n}", f"{url}/{n % LANES}", [f"many.{n}"]) for n in range(count))
        configure(stage, (maker.webhook(*lane) for lane in lanes))
        took = stage.only(*SERVICES)
        ready = stage.sample(0)
        _produced(session, stage, session.sizes.warm, count)
        done = _produced(session, stage, session.sizes.events, count)
        after = stage.sample(0)
    row = row_of(f"webhooks-{count}", session.sizes.events, done.seconds, done.cpu)
    for name in _READERS:
        row.figures[f"{name}_ready_s"] = took[name]
        row.figures[f"{name}_ready_mb"] = ready.rss_mb[name]
        row.figures[f"{name}_after_mb"] = after.rss_mb[name]
    return row


def fan_out(session: Session, fan: int) -> Row:
    """Each event for so many webhooks, over HTTP; all figures are of deliveries."""
    stage = session.kept("fanout")
    stage.only(*SERVICES)
    maker, kind, url = Maker(stage), f"fan{fan}", f"{stage.receiver.url}/fan{fan}"
    names = (f"fan{fan}-{n}" for n in range(fan))
    configure(stage, (maker.webhook(name, f"{url}/{name}", [f"{kind}.*"]) for name in names))
    session.warm(stage, kind, fan)
    count, times = max(session.sizes.events // fan, _LEAST_EVENTS), Times()
    made = session.events(stage, count, times, kind)
    requests = payloads.requests(made, stage.entrance.key)
    port = stage.system.ports.ingest
    done = stage.measure(lambda: closed_loop(port, requests), times, fan)
    return row_of(f"fanout-{fan}", fan * count, done.seconds, done.cpu)


def _produced(session: Session, stage: Stage, count: int, types: int) -> Measured:
    times: Times = {}
    made = session.events(stage, count, times, "many", types=types)

    def send() -> None:
        with Load(stage.system.kafka) as load:
            load.events(made)

    return stage.measure(send, times)
