"""What the rows of one run share: sizes, stages, names of events."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Self

import msgspec

from bench import payloads
from bench.ground import Ground
from bench.http_load import closed_loop
from bench.kafka_load import Load
from bench.payloads import LANES, Data, Times, small
from bench.stage import PARTITIONS, Stage
from hookstream.model.records import Event, Webhook
from services.cli.settings import SERVICES

_NUMBERS = count(1)


class Sizes(msgspec.Struct, frozen=True):
    """How much each row sends."""

    events: int = 20_000
    big_events: int = 4_000
    open_s: int = 10
    warm: int = 3_000
    backlog: int = 100_000


class Session:
    """Stages are made when a row first asks for one; services of one stage run at a time.

    code: another checkout, whose services are measured instead of ours.
    """

    def __init__(self, ground: Ground, sizes: Sizes, code: Path | None = None) -> None:
        self.ground = ground
        self.sizes = sizes
        self._code = code
        self._kept: dict[str, Stage] = {}
        self._webhooks: list[Webhook] = []
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def quiet(self) -> None:
        """End all services: what is measured next has the machine to itself."""
        for stage in self._kept.values():
            stage.only()

    def main(self) -> Stage:
        """The stage with 64 webhooks made by the API, warmed up; nothing is under way in it.

        It is warmed up by as many events as a row sends: of fewer the broker's compiler would
        still be at work while others are counted.
        """
        stage = self.kept("main")
        if not self._webhooks:
            self.ground.tell("warming up")
            stage.only(*SERVICES)
            self._webhooks = stage.subscribe()
            self.warm(stage, "bench", count=self.sizes.events)
        return stage

    @property
    def webhooks(self) -> list[Webhook]:
        """Those of the main stage."""
        return self._webhooks

    def kept(self, name: str) -> Stage:
        """A stage for several rows; services of others have ended, its own may run."""
        for other, stage in self._kept.items():
            if other != name:
                stage.only()
        if name not in self._kept:
            self._kept[name] = self._undo.enter_context(self._stage(name))
        return self._kept[name]

    @contextmanager
    def fresh(
        self, name: str, *, partitions: int = PARTITIONS, settings: Mapping[str, str] = {}
    ) -> Iterator[Stage]:
        """A stage for one row, which may leave deliveries under way."""
        self.quiet()
        with self._stage(name, partitions, settings) as stage:
            yield stage

    def events(
        self,
        stage: Stage,
        count: int,
        times: Times,
        kind: str,
        data: Data = small,
        types: int = LANES,
    ) -> Iterator[Event]:
        """Events of this stage's workspace whose ids no other run has."""
        workspace, run = stage.entrance.workspace, f"run{next(_NUMBERS)}"
        return payloads.events(workspace, run, count, data, times, kind, types)

    def warm(self, stage: Stage, kind: str, fan_out: int = 1, count: int | None = None) -> None:
        """Lanes learn what their receivers take, code is compiled, connections are open."""
        times: Times = {}
        made = self.events(stage, count or max(self.sizes.warm // fan_out, 1), times, kind)
        requests = payloads.requests(made, stage.entrance.key)
        port = stage.system.ports.ingest
        stage.measure(lambda: closed_loop(port, requests), times, fan_out)

    def produce(self, stage: Stage, count: int, kind: str) -> Times:
        """Events straight into Kafka, all acknowledged."""
        times: Times = {}
        with Load(stage.system.kafka) as load:
            load.events(self.events(stage, count, times, kind))
        return times

    def _stage(
        self, name: str, partitions: int = PARTITIONS, settings: Mapping[str, str] = {}
    ) -> Stage:
        full = f"{name}-{next(_NUMBERS)}"
        return Stage(self.ground, full, self._code, settings, partitions)
