"""The rows of the table: what runs, what is sent, what is counted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bench import payloads
from bench.bare import Bare
from bench.cpu import Spent
from bench.http_load import closed_loop, open_loop
from bench.kafka_load import Load
from bench.payloads import Data, Times, small
from bench.stage import PARTITIONS, Measured, Stage, p50_p99
from hookstream.stream.topics import Topic, apply

PER_S = 100.0
BATCH = 100
ALL = ("ingest", "router", "deliverer", "retry", "status", "console")


class Row(msgspec.Struct):
    """One line of the table; null where it has no such figure. `cpu`: by process, of 1,000."""

    name: str
    events_per_s: float | None = None
    cpu_s_per_1000: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    floor_ratio: float | None = None
    cpu: dict[str, float] = {}
    failed: str | None = None


class Sizes(msgspec.Struct, frozen=True):
    """How much each row sends."""

    events: int = 20_000
    big_events: int = 4_000
    open_s: int = 10
    warm: int = 3_000


class Rows:
    """All rows by name, on one stage. Each leaves the stage as it found it: nothing under way."""

    def __init__(self, stage: Stage, sizes: Sizes, file: Path | None) -> None:
        self._stage = stage
        self._sizes = sizes
        self._file = file
        self._runs = 0
        self._floor: float | None = None
        self.by_name: dict[str, Callable[[], Row]] = {
            "floor": self.floor,
            "deliverer": self.deliverer,
            "ingest": self.ingest,
            "ingest-batch": self.ingest_batch,
            "system-http": lambda: self.over_http("system-http", small, sizes.events),
            "system-kafka": lambda: self.over_kafka("system-kafka", small, sizes.events),
            "fanout-4": self.fan_out,
        }
        if file:
            data, count = payloads.of_file(file), sizes.big_events
            self.by_name |= {
                "system-http-github": lambda: self.over_http("system-http-github", data, count),
                "system-kafka-github": lambda: self.over_kafka("system-kafka-github", data, count),
            }

    def warm_up(self) -> None:
        """Lanes learn what their receivers take, code is compiled, connections are open."""
        self._stage.only(*ALL)
        self._http(small, self._sizes.warm)

    def floor(self) -> Row:
        """The bare loop on the same broker, with the same payloads, against the same receiver."""
        stage, count = self._stage, self._sizes.events
        stage.only()
        kafka = stage.system.kafka.model_copy(update={"topic_prefix": "bench.floor."})
        apply(kafka, [Topic("events", PARTITIONS, {})], 1)
        times: Times = {}
        with Load(kafka) as load:
            load.keyed(self._events(count, small, times))
        loop = Bare(kafka.bootstrap_servers, kafka.topic("events"), stage.receiver.url, count)
        done = stage.measure(loop.run, times, logged=False)
        self._floor = count / done.seconds
        return _row("floor", count, done, {"floor": loop.cpu, "kafka": done.cpu["kafka"]})

    def deliverer(self) -> Row:
        """The deliverer alone: its topic is filled before it starts.

        retry runs too: a webhook's first burst is put off until its first answers are there.
        """
        stage, count = self._stage, self._sizes.events
        stage.only()
        times: Times = {}
        with Load(stage.system.kafka) as load:
            load.deliveries(self._events(count, small, times), stage.webhooks, PARTITIONS)
        done = stage.measure(lambda: stage.only("deliverer", "retry"), times, logged=False)
        row = _row("deliverer", count, done, _some(done.cpu, "deliverer", "retry", "kafka"))
        if self._floor and row.events_per_s:
            row.floor_ratio = row.events_per_s / self._floor
        return row

    def ingest(self) -> Row:
        """ingest alone, one event a request, to the broker's ack; no webhook wants these."""
        return self._ingest("ingest", self._sizes.events, 1)

    def ingest_batch(self) -> Row:
        """ingest alone, a hundred events a request."""
        return self._ingest("ingest-batch", 2 * self._sizes.events, BATCH)

    def over_http(self, name: str, data: Data, count: int) -> Row:
        """The whole system, one event a request; then delays at 100 events/s."""
        self._stage.only(*ALL)
        row = _row(name, count, self._http(data, count))
        times: Times = {}
        key, port = self._stage.entrance.key, self._stage.system.ports.ingest
        made = self._events(int(PER_S * self._sizes.open_s), data, times)
        steady = self._stage.measure(
            lambda: open_loop(port, payloads.requests(made, key), PER_S), times
        )
        row.p50_ms, row.p99_ms = p50_p99(steady.delays_ms)
        return row

    def over_kafka(self, name: str, data: Data, count: int) -> Row:
        """The whole system, produced to Kafka; then delays at 100 events/s."""
        self._stage.only(*ALL)
        row = _row(name, count, self._kafka(data, count, None))
        steady = self._kafka(data, int(PER_S * self._sizes.open_s), PER_S)
        row.p50_ms, row.p99_ms = p50_p99(steady.delays_ms)
        return row

    def fan_out(self) -> Row:
        """Each event for four webhooks; figures are of deliveries."""
        stage, count, times = self._stage, self._sizes.events // 4, Times()
        stage.only(*ALL)
        made = self._events(count, small, times, "fan")
        requests = payloads.requests(made, stage.entrance.key)
        port = stage.system.ports.ingest
        done = stage.measure(lambda: closed_loop(port, requests), times, fan_out=4)
        return _row("fanout-4", 4 * count, done)

    def _ingest(self, name: str, count: int, size: int) -> Row:
        stage = self._stage
        stage.only("ingest")
        made = self._events(count, small, {}, "nobody")
        key, port = stage.entrance.key, stage.system.ports.ingest
        load = payloads.requests(made, key) if size == 1 else payloads.batches(made, key, size)
        done = stage.spent_by(lambda: closed_loop(port, load))
        return _row(name, count, done, _some(done.cpu, "ingest", "kafka"))

    def _http(self, data: Data, count: int) -> Measured:
        times: Times = {}
        made = self._events(count, data, times)
        requests = payloads.requests(made, self._stage.entrance.key)
        port = self._stage.system.ports.ingest
        return self._stage.measure(lambda: closed_loop(port, requests), times)

    def _kafka(self, data: Data, count: int, per_s: float | None) -> Measured:
        times: Times = {}
        made = self._events(count, data, times)

        def send() -> None:
            with Load(self._stage.system.kafka) as load:
                load.events(made, per_s)

        return self._stage.measure(send, times)

    def _events(self, count: int, data: Data, times: Times, kind: str = "bench") -> Any:
        self._runs += 1
        workspace = self._stage.entrance.workspace
        return payloads.events(workspace, f"run{self._runs}", count, data, times, kind)


def _row(name: str, count: int, done: Measured, cpu: Spent | None = None) -> Row:
    used = done.cpu if cpu is None else cpu
    return Row(
        name=name,
        events_per_s=count / done.seconds,
        cpu_s_per_1000=sum(used.values()) / count * 1000,
        cpu={process: seconds / count * 1000 for process, seconds in used.items()},
    )


def _some(cpu: Spent, *names: str) -> Spent:
    return {name: cpu[name] for name in names}
