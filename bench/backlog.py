"""Rows of a backlog: much to deliver at once, and much that waits for its time."""

import time

from bench.counts import WrongCount, check
from bench.kafka_load import Load
from bench.payloads import LANES, Times
from bench.retrying import released_late_ms
from bench.row import Row, row_of, tail
from bench.rows import some
from bench.session import Session
from bench.stage import PARTITIONS, Stage
from bench.straight import Maker, configure
from bench.topics import Ends, ends_of
from bench.watch import Sample, most_mb, stretch
from hookstream.model.records import Webhook
from hookstream.stream.topics import DELIVERIES, TIERS

LIVE_PER_S = 500.0
LIVE_S = 6
AHEAD_MS = 4_000
SPREAD_MS = 2_000
_FAR_MS = 6 * 3_600_000


def deliver(session: Session) -> Row:
    """The deliverer on a backlog of deliveries that are due: does its cost or memory depend on
    how much is left? Figures: the first quarter and the last."""
    count = session.sizes.backlog
    with session.fresh("backlog") as stage:
        webhooks = _webhooks(stage)
        stage.only()
        times: Times = {}
        with Load(stage.system.kafka) as load:
            load.deliveries(session.events(stage, count, times, "back"), webhooks, PARTITIONS)
        stage.receiver.clear()
        stage.start_deliverer()
        samples = stage.watch(stage.receiver.total, count)
        check(stage.receiver.record(), times, 1)
    done, names = stretch(samples), ("deliverer", "retry", "kafka")
    row = row_of("backlog-deliver", done.records, done.seconds, some(done.cpu, *names))
    row.figures = {"waiting": count, **_quarters(samples)}
    for service in ("deliverer", "retry"):
        row.figures |= _memory(samples, service)
    return row


def wait(session: Session) -> Row:
    """retry with much waiting for hours. Columns: what moving it into its tier costs. Figures:
    retries that are due soon, with nothing else waiting and with all of it."""
    count = session.sizes.backlog
    with session.fresh("backlog") as stage:
        webhooks = _webhooks(stage)
        stage.only("retry")
        _live(session, stage, webhooks, int(LIVE_PER_S))
        empty = _live(session, stage, webhooks, int(LIVE_PER_S * LIVE_S))
        stage.only()
        _fill(session, stage, webhooks, count)
        ends = Ends(stage.system.kafka, *TIERS)
        start = ends.total()
        stage.only("retry")
        samples = stage.watch(lambda: ends.total() - start, count)
        ends.close()
        full = _live(session, stage, webhooks, int(LIVE_PER_S * LIVE_S))
        samples.append(stage.sample(count))
    done = stretch(samples)
    row = row_of("backlog-wait", done.records, done.seconds, some(done.cpu, "retry", "kafka"))
    row.figures = {"waiting": count, **_memory(samples, "retry")}
    row.figures |= {f"empty_{name}": value for name, value in empty.items()}
    row.figures |= {f"full_{name}": value for name, value in full.items()}
    return row


def release(session: Session) -> Row:
    """retry alone: what is due goes on at once."""
    count = 2 * session.sizes.events
    with session.fresh("retry") as stage:
        webhooks = _webhooks(stage)
        stage.only()
        now_ms = time.time_ns() // 1_000_000
        with Load(stage.system.kafka) as load:
            made = session.events(stage, count, {}, "back")
            load.waiting(made, webhooks, lambda _: now_ms)
        ends = Ends(stage.system.kafka, DELIVERIES)
        stage.only("retry")
        samples = stage.watch(ends.total, count)
        ends.close()
    done = stretch(samples)
    row = row_of("retry-alone", done.records, done.seconds, some(done.cpu, "retry", "kafka"))
    row.figures = _memory(samples, "retry")
    return row


def _webhooks(stage: Stage) -> list[Webhook]:
    maker, url = Maker(stage), stage.receiver.url
    made = [maker.webhook(f"back{n}", f"{url}/back/{n}", [f"back.{n}"]) for n in range(LANES)]
    configure(stage, made)
    return made


def _fill(session: Session, stage: Stage, webhooks: list[Webhook], count: int) -> None:
    due_at_ms = time.time_ns() // 1_000_000 + _FAR_MS
    with Load(stage.system.kafka) as load:
        made = session.events(stage, count, {}, "back")
        load.waiting(made, webhooks, lambda number: due_at_ms + number)


def _live(
    session: Session, stage: Stage, webhooks: list[Webhook], count: int
) -> dict[str, float | None]:
    """Retries due within seconds: how late they are on `deliveries`, by the broker's clock."""
    kafka = stage.system.kafka
    start, ends = ends_of(kafka, DELIVERIES), Ends(kafka, DELIVERIES)
    wanted = sum(start.values()) + count
    due: list[int] = []

    def due_at_ms(number: int) -> int:
        due.append(time.time_ns() // 1_000_000 + AHEAD_MS + number * 997 % SPREAD_MS)
        return due[-1]

    before = stage.sample(0)
    with Load(kafka) as load:
        made = session.events(stage, count, {}, "back")
        load.waiting(made, webhooks, due_at_ms, LIVE_PER_S)
    after = stage.watch(ends.total, wanted)[-1]
    ends.close()
    late = released_late_ms(kafka, start)
    if len(late) != count:
        raise WrongCount(f"{count} retries were due, {len(late)} came")
    found = tail(late)
    return {
        "late_p50_ms": found.p50,
        "late_p99_ms": found.p99,
        "late_max_ms": found.most,
        "early": sum(ms < 0 for ms in late),
        "n": found.n,
        "cpu_s_per_1000": (after.cpu["retry"] - before.cpu["retry"]) / count * 1000,
    }


def _quarters(samples: list[Sample]) -> dict[str, float | None]:
    first, last = stretch(samples, 0.0, 0.25), stretch(samples, 0.75, 1.0)
    return {
        "first_quarter_per_s": first.per_s,
        "last_quarter_per_s": last.per_s,
        "first_quarter_deliverer_cpu": first.cpu_s_per_1000("deliverer"),
        "last_quarter_deliverer_cpu": last.cpu_s_per_1000("deliverer"),
    }


def _memory(samples: list[Sample], service: str) -> dict[str, float | None]:
    return {
        f"{service}_rss_first_mb": samples[0].rss_mb.get(service),
        f"{service}_rss_most_mb": most_mb(samples, service),
        f"{service}_rss_last_mb": samples[-1].rss_mb.get(service),
    }
