"""The first rows: the floor, the deliverer, ingest, the whole system."""

from collections.abc import Iterator

from bench import payloads
from bench.bare import Bare
from bench.cpu import Spent
from bench.http_load import closed_loop, open_loop
from bench.kafka_load import Load
from bench.payloads import Data, Times, small
from bench.row import Row, row_of, with_tail
from bench.session import Session
from bench.stage import PARTITIONS, Measured, Stage
from bench.straight import Maker, configure
from hookstream.model.records import Webhook
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import Topic, apply

PER_S = 100.0
BATCH = 100
_FLOORS = iter(range(1_000_000))


def floor(session: Session) -> Row:
    """The bare loop on the same broker, with the same payloads, against the same receiver."""
    stage, count = session.main(), session.sizes.events
    stage.only()
    kafka = _floor_topic(stage)
    times: Times = {}
    with Load(kafka) as load:
        load.keyed(session.events(stage, count, times, "floor"))
    loop = Bare(kafka.bootstrap_servers, kafka.topic("events"), stage.receiver.url, count)
    done = stage.measure(loop.run, times, logged=False)
    return row_of("floor", count, done.seconds, {"floor": loop.cpu, "kafka": done.cpu["kafka"]})


def deliverer(session: Session) -> Row:
    """The deliverer alone: its topic is filled before it starts.

    retry runs too: a webhook's first burst is put off until its first answers are there.
    """
    stage = session.main()
    return _delivered("deliverer", session, stage, session.webhooks)


def tls(session: Session) -> Row:
    """The same to receivers over HTTPS, handshakes included."""
    stage = session.main()
    maker, url = Maker(stage), stage.receiver.tls_url
    lanes = range(payloads.LANES)
    webhooks = [maker.webhook(f"tls{n}", f"{url}/{n}", [f"tls.{n}"]) for n in lanes]
    configure(stage, webhooks)
    before = stage.receiver.opened()
    row = _delivered("tls", session, stage, webhooks)
    row.figures["connections"] = stage.receiver.opened() - before
    return row


def ingest(session: Session) -> Row:
    """ingest alone, one event a request, to the broker's ack; no webhook wants these."""
    return _ingest("ingest", session, session.sizes.events, 1)


def ingest_batch(session: Session) -> Row:
    """ingest alone, a hundred events a request."""
    return _ingest("ingest-batch", session, 2 * session.sizes.events, BATCH)


def over_http(session: Session, name: str, data: Data = small, count: int | None = None) -> Row:
    """The whole system, one event a request; then delays at 100 events/s."""
    stage, count = session.main(), count or session.sizes.events
    stage.all_caught_up()
    times: Times = {}
    requests = _requests(session, stage, count, times, data)
    port = stage.system.ports.ingest
    done = stage.measure(lambda: closed_loop(port, requests), times)
    row = row_of(name, count, done.seconds, done.cpu)
    times = {}
    steady = _requests(session, stage, int(PER_S * session.sizes.open_s), times, data)
    found = stage.measure(lambda: open_loop(port, steady, PER_S), times)
    return with_tail(row, found.delays_ms)


def over_kafka(session: Session, name: str, data: Data = small, count: int | None = None) -> Row:
    """The whole system, produced to Kafka; then delays at 100 events/s."""
    stage, count = session.main(), count or session.sizes.events
    stage.all_caught_up()
    done = _produced(session, stage, count, data, None)
    steady = _produced(session, stage, int(PER_S * session.sizes.open_s), data, PER_S)
    return with_tail(row_of(name, count, done.seconds, done.cpu), steady.delays_ms)


def some(cpu: Spent, *names: str) -> Spent:
    """What these processes have spent."""
    return {name: cpu[name] for name in names}


def _floor_topic(stage: Stage) -> KafkaSettings:
    """A topic of its own for each run: the bare loop commits nothing, and reads all there is."""
    prefix = f"floor{next(_FLOORS)}."
    kafka = stage.system.kafka.model_copy(update={"topic_prefix": prefix})
    apply(kafka, [Topic("events", PARTITIONS, {})], 1)
    return kafka


def _delivered(name: str, session: Session, stage: Stage, webhooks: list[Webhook]) -> Row:
    stage.only()
    times: Times = {}
    with Load(stage.system.kafka) as load:
        made = session.events(stage, session.sizes.events, times, name)
        load.deliveries(made, webhooks, PARTITIONS)
    done = stage.measure_delivering(times)
    cpu = some(done.cpu, "deliverer", "retry", "kafka")
    return row_of(name, done.records, done.seconds, cpu)


def _ingest(name: str, session: Session, count: int, size: int) -> Row:
    stage = session.main()
    stage.only("ingest")
    made = session.events(stage, count, {}, "nobody")
    key, port = stage.entrance.key, stage.system.ports.ingest
    load = payloads.requests(made, key) if size == 1 else payloads.batches(made, key, size)
    done = stage.spent_by(lambda: closed_loop(port, load))
    return row_of(name, count, done.seconds, some(done.cpu, "ingest", "kafka"))


def _requests(
    session: Session, stage: Stage, count: int, times: Times, data: Data
) -> Iterator[bytes]:
    made = session.events(stage, count, times, "bench", data)
    return payloads.requests(made, stage.entrance.key)


def _produced(
    session: Session, stage: Stage, count: int, data: Data, per_s: float | None
) -> Measured:
    times: Times = {}
    made = session.events(stage, count, times, "bench", data)

    def send() -> None:
        with Load(stage.system.kafka) as load:
            load.events(made, per_s)

    return stage.measure(send, times)
