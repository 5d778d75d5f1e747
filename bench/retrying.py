"""The row `retry`: how late retries are, at a thousand a second."""

from collections.abc import Iterable, Mapping
from typing import cast

from bench.counts import WrongCount, check_times
from bench.kafka_load import Load
from bench.payloads import LANES, Times
from bench.row import Row, row_of, tail, with_tail
from bench.session import Session
from bench.sink import Record
from bench.stage import PARTITIONS, Stage
from bench.straight import Maker, configure
from bench.topics import between, ends_of
from bench.watch import most_mb, stretch
from hookstream.model.policy import Policy, Schedule
from hookstream.model.records import Outcome, Webhook
from hookstream.stream.codec import Codec
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import DELIVERIES, OUTCOMES

PER_S = 1_000.0
DELAYS_MS = (3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000)
"""Between none and two tiers, and the last seconds in memory."""
LEAST = 12_000
"""So that there is a while in which retries of all delays are due together."""


def retry(session: Session) -> Row:
    """Every first attempt fails. Columns: retries due a second, and how late they reach the
    receiver after the moment that was fixed for them; `n` of them."""
    count = max(session.sizes.events, LEAST)
    with session.fresh("retry") as stage:
        webhooks = _failing_once(stage)
        stage.only("deliverer", "retry")
        _round(session, stage, webhooks, max(session.sizes.warm // 10, LANES))
        kafka = stage.system.kafka
        start, released = ends_of(kafka, OUTCOMES), ends_of(kafka, DELIVERIES)
        first = stage.sample(0)
        record, times = _round(session, stage, webhooks, count)
        samples = [first, stage.sample(count)]
        check_times(record, dict.fromkeys(times, 1), 2)
        due = _due(stage, start, len(times))
        on_time = tail(released_late_ms(kafka, released))
    done = stretch(samples)
    begin_ms, end_ms = together(times.values())
    late = late_ms(record, {event: ms for event, ms in due.items() if begin_ms <= ms < end_ms})
    cpu = {name: done.cpu[name] for name in ("deliverer", "retry", "kafka")}
    row = with_tail(row_of("retry", count, done.seconds, cpu), late)
    row.events_per_s = len(late) / (end_ms - begin_ms) * 1000
    found = tail(late_ms(record, due))
    row.figures = {
        "retry_cpu_s_per_1000": done.cpu_s_per_1000("retry"),
        "released_p50_ms": on_time.p50,
        "released_p99_ms": on_time.p99,
        "released_max_ms": on_time.most,
        "late_max_ms": found.most,
        "late_min_ms": found.least,
        "early": sum(ms < 0 for ms in late_ms(record, due)),
        "retry_rss_mb": most_mb(samples, "retry"),
    }
    return row


def released_late_ms(kafka: KafkaSettings, start: dict[int, int]) -> list[int]:
    """How late retries were on `deliveries` since then, by the broker's clock: retry's own part."""
    return [
        message.timestamp()[1] - int(headers["due"])
        for message in between(kafka, DELIVERIES, start, ends_of(kafka, DELIVERIES))
        if (headers := dict(message.headers()))["turn"] != b"1"
    ]


def _failing_once(stage: Stage) -> list[Webhook]:
    maker, url = Maker(stage), f"{stage.receiver.url}/once"
    webhooks = [
        maker.webhook(
            f"once{n}", f"{url}/{n}", [f"once.{n}"], _after(DELAYS_MS[n % len(DELAYS_MS)])
        )
        for n in range(LANES)
    ]
    configure(stage, webhooks)
    return webhooks


def _after(delay_ms: int) -> Policy:
    schedule = Schedule(delays_ms=(delay_ms,), max_requests=2)
    return Policy(id=f"bench-{delay_ms}", name="Bench, retries", schedule=schedule)


def _round(
    session: Session, stage: Stage, webhooks: list[Webhook], count: int
) -> tuple[Record, Times]:
    times: Times = {}
    stage.receiver.clear()
    with Load(stage.system.kafka) as load:
        made = session.events(stage, count, times, "once")
        load.deliveries(made, webhooks, PARTITIONS, PER_S)
    stage.await_arrivals(2 * count)
    return stage.receiver.record(), times


def _due(stage: Stage, start: dict[int, int], count: int) -> dict[str, int]:
    """event -> when its retry was due, as the outcome of its first attempt fixed it."""
    kafka, codec = stage.system.kafka, Codec()
    due: dict[str, int] = {}
    for message in between(kafka, OUTCOMES, start, ends_of(kafka, OUTCOMES)):
        outcome = cast(Outcome, codec.decode(message.value()))
        if outcome.result == "retrying" and outcome.next_due_at_ms is not None:
            due[outcome.event] = outcome.next_due_at_ms
    if len(due) != count:
        raise WrongCount(f"{count} events were sent, {len(due)} retries are in the outcomes")
    return due


def together(sent_ns: Iterable[int]) -> tuple[float, float]:
    """From when and until when retries of all delays are due at once, in milliseconds. Pure."""
    sent = sorted(sent_ns)
    begin, end = sent[0] / 1e6 + max(DELAYS_MS), sent[-1] / 1e6 + min(DELAYS_MS)
    if begin >= end:
        raise WrongCount("too few to measure: the last first attempt comes before any retry is due")
    return begin, end


def late_ms(record: Record, due_at_ms: Mapping[str, int]) -> list[float]:
    """From when each of these retries was due to its request at the receiver. Pure."""
    return [
        seen.at_ns / 1e6 - due_at_ms[seen.id]
        for page in record.values()
        for seen in page
        if seen.status == 200 and seen.id in due_at_ms
    ]
