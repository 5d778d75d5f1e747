"""Runs the rows one after the other, and tells each as it is done."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from bench import (
    alone,
    backlog,
    compare,
    many,
    memory,
    noisy,
    payloads,
    retrying,
    rows,
    scale,
    table,
)
from bench.counts import WrongCount
from bench.ground import Ground
from bench.http_load import LoadError
from bench.kafka_load import KafkaLoadError
from bench.row import Row, beside, merged
from bench.session import Session, Sizes
from hookstream.embedded.child import EmbeddedError

Measure = Callable[[Session], Row]
Tell = Callable[[str], None]

ROWS: dict[str, Measure] = {
    "floor": rows.floor,
    "deliverer": rows.deliverer,
    "tls": rows.tls,
    "ingest": rows.ingest,
    "ingest-batch": rows.ingest_batch,
    "router": alone.router,
    "retry-alone": backlog.release,
    "status": alone.status,
    "system-http": partial(rows.over_http, name="system-http"),
    "system-kafka": partial(rows.over_kafka, name="system-kafka"),
    "noisy": noisy.noisy,
    "retry": retrying.retry,
    "memory": memory.in_flight,
    "backlog-deliver": backlog.deliver,
    "backlog-wait": backlog.wait,
    **{f"fanout-{fan}": partial(many.fan_out, fan=fan) for fan in many.FANS},
    **{f"webhooks-{n}": partial(many.webhooks, count=n) for n in many.CONFIGURED},
    **{f"deliverers-{n}": partial(scale.deliverers, count=n) for n in scale.PROCESSES},
    **{f"routers-{n}": partial(scale.routers, count=n) for n in scale.PROCESSES},
}
GROUPS: dict[str, tuple[str, ...]] = {
    "services": ("ingest", "ingest-batch", "router", "deliverer", "retry-alone", "status"),
    "fanout": tuple(f"fanout-{fan}" for fan in many.FANS),
    "webhooks": tuple(f"webhooks-{n}" for n in many.CONFIGURED),
    "backlog": ("backlog-deliver", "backlog-wait"),
    "scale": tuple(f"{kind}-{n}" for kind in ("deliverers", "routers") for n in scale.PROCESSES),
    "all": tuple(ROWS),
}
USUAL = (
    "floor",
    "deliverer",
    "tls",
    "ingest",
    "ingest-batch",
    "router",
    "status",
    "retry-alone",
    "system-http",
    "system-kafka",
    "fanout-4",
    "noisy",
    "retry",
)
"""What runs when no row is named: within ten minutes."""
THEIRS = "@"
OF_FILE = ("system-http-github", "system-kafka-github")
LIKE_FLOOR = frozenset({"deliverer", "tls", "backlog-deliver"})
"""Rows that do what the floor does, and more: the ratio says how much more it costs."""
FAILURES = (WrongCount, LoadError, KafkaLoadError, EmbeddedError, subprocess.SubprocessError)


class UnknownRow(Exception):
    """No row, and no group of rows, has this name."""


def named(names: Sequence[str], file: Path | None = None) -> tuple[str, ...]:
    """The rows meant, groups resolved, each once; the usual ones where none is named. Pure."""
    known = [*ROWS, *(OF_FILE if file else ())]
    if unknown := set(names) - {*known, *GROUPS}:
        groups = ", ".join(GROUPS)
        told = f"no row {', '.join(sorted(unknown))}: {', '.join(known)}; groups: {groups}"
        raise UnknownRow(told)
    wanted = names or (*USUAL, *(OF_FILE if file else ()))
    return tuple(dict.fromkeys(row for name in wanted for row in GROUPS.get(name, (name,))))


def run(
    names: Sequence[str],
    sizes: Sizes,
    file: Path | None,
    tell: Tell,
    repeat: int = 1,
    against: Path | None = None,
) -> list[Row]:
    """The rows asked for; one that fails says why, and the others go on.

    repeat: how often each is run, the floor next to each. against: another checkout, whose
    services do the same in turn with ours; its rows come last, their names marked with `@`.
    """
    with ExitStack() as undo:
        ground = undo.enter_context(Ground(tell))
        sessions = [undo.enter_context(Session(ground, sizes))]
        if against:
            sessions.append(undo.enter_context(Session(ground, sizes, against.resolve())))
        turns = Turns(sessions, ROWS | _of_file(file, sizes), always=repeat > 1 or bool(against))
        tell(table.HEAD)
        done = []
        for name in names:
            done.append(turns.of(name, repeat))
            tell("\n".join(line for row in done[-1] for line in table.lines(row)))
    ours, theirs = [rows[0] for rows in done], [row for rows in done for row in rows[1:]]
    if theirs:
        before = [_unmarked(row) for row in theirs]
        tell("\n".join([*compared(before, ours), *_paired(before, ours)]))
    return [*ours, *theirs]


def compared(old: Sequence[Row], new: Sequence[Row]) -> list[str]:
    """Two tables against each other, ready to print. Pure."""
    found = compare.lines(compare.differences(old, new))
    return ["", compare.HEAD, *found, *compare.alone(old, new)]


def _paired(old: Sequence[Row], new: Sequence[Row]) -> list[str]:
    found = [pair.line for pair in compare.pairs(old, new)]
    return ["", "round by round:", *found] if found else []


class Turns:
    """Ours and theirs measured in turn. always: the floor next to each run, else its last row."""

    def __init__(
        self, sessions: Sequence[Session], measures: Mapping[str, Measure], always: bool
    ) -> None:
        self._sessions = sessions
        self._measures = measures
        self._always = always
        self._floor: Row | None = None

    def of(self, name: str, times: int) -> list[Row]:
        """One row, as a list: ours, and theirs if there are any."""
        found = [self._round(name, number) for number in range(times)]
        mine, *others = (merged(runs) for runs in zip(*found, strict=True))
        return [mine, *map(_marked, others)]

    def _round(self, name: str, number: int) -> list[Row]:
        """Who is first changes from round to round: that alone can be a sixth of what is spent."""
        order = self._sessions if number % 2 == 0 else self._sessions[::-1]
        found = {id(session): self._beside_floor(session, name) for session in order}
        return [found[id(session)] for session in self._sessions]

    def _beside_floor(self, session: Session, name: str) -> Row:
        if self._always and name != "floor":
            self._floor = self._one(self._sessions[0], "floor")
        row = self._one(session, name)
        if row.name == "floor":
            self._floor = row
            return row
        return beside(row, self._floor, compared=row.name in LIKE_FLOOR)

    def _one(self, session: Session, name: str) -> Row:
        for other in self._sessions:
            if other is not session:
                other.quiet()
        try:
            if not session.webhooks:
                session.main()  # whatever the row: the broker is warmed up by a whole system
            return self._measures[name](session)
        except FAILURES as error:
            return Row(name=name, failed=f"{type(error).__name__}: {error}")


def _of_file(file: Path | None, sizes: Sizes) -> dict[str, Measure]:
    if file is None:
        return {}
    data, count = payloads.of_file(file), sizes.big_events
    over_http, over_kafka = OF_FILE
    return {
        over_http: partial(rows.over_http, name=over_http, data=data, count=count),
        over_kafka: partial(rows.over_kafka, name=over_kafka, data=data, count=count),
    }


def _marked(row: Row) -> Row:
    return replace(row, name=f"{row.name}{THEIRS}")


def _unmarked(row: Row) -> Row:
    return replace(row, name=row.name.removesuffix(THEIRS))
