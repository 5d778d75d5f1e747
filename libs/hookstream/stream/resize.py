"""More partitions for deliveries and outcomes, live: drained, grown, noted (once.md 13).

Each step follows from what config and Kafka say, so that whoever is killed at any moment is
followed by a next run that goes on:
1. config says `growing`: router, retry and outbox stop writing deliveries;
2. deliveries is committed to its end, and stays so: everything in it is settled;
3. config says where outcomes ended: new owners of a lane read there what was settled before;
4. both topics grow; 5. config says the new N, all go on; 6. groups have offsets for what is new.
"""

import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import NewPartitions
from msgspec.structs import replace

from hookstream.model.records import Growth, TopicsNote
from hookstream.stream.admin import admin_client
from hookstream.stream.bounds import bounds
from hookstream.stream.groups import begin, committed
from hookstream.stream.open import note
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.table import Table
from hookstream.stream.topics import (
    DELIVERIES,
    EVENTS,
    MADE_WITHIN_S,
    OUTCOMES,
    partition_counts,
)
from hookstream.stream.writer import Writer

STILL_S = 3.0
"""So long nothing may have come to deliveries: longer than any writer needs to hear of it."""
KEPT = 8
"""Raises of N that config remembers."""
_LOOK_S = 0.5
_TELL_S = 5.0
_GROWN_WITHIN_S = 60.0
_TAKEN_WITHIN_S = 120.0
_DELIVERER = "deliverer"
Tell = Callable[[str], None]


class CannotResize(Exception):
    """Not as asked, or not now; the text says what would do."""


class Resize:
    """One run of the command. `table` and `writer` are its own; `tell` gets a line a step."""

    def __init__(
        self, kafka: KafkaSettings, table: Table, writer: Writer, tell: Tell = lambda _: None
    ) -> None:
        self._kafka, self._table, self._writer, self._tell = kafka, table, writer, tell

    def run(self, partitions: int, events: int | None, within_s: float) -> None:
        """Raise N, or go on with a raise that was begun. Raises `CannotResize`.

        What does not drain `within_s` is given up: the old N goes on.
        """
        noted = self._noted()
        wanted = {DELIVERIES: partitions, OUTCOMES: partitions}
        wanted |= {EVENTS: events} if events else {}
        check(noted, wanted, partition_counts(self._kafka).partitions)
        if noted.growing or any(noted.partitions[t] != n for t, n in wanted.items()):
            self._grow(noted, wanted, within_s)
        self._until_taken()
        self._tell(f"deliveries and outcomes have {partitions} partitions")

    def abort(self) -> None:
        """Go on with the old N. Raises `CannotResize` where a topic has grown already."""
        noted = self._noted()
        if not noted.growing:
            raise CannotResize("no resize is under way")
        there = partition_counts(self._kafka).partitions
        grown = {t: there[t] for t in noted.growing if there[t] != noted.partitions[t]}
        if grown:
            told = f"too late: Kafka has {grown} already, and never shrinks"
            raise CannotResize(f"{told}. {_again(noted)}")
        self._give_up(noted)

    def _grow(self, noted: TopicsNote, wanted: dict[str, int], within_s: float) -> None:
        if not noted.growing:
            noted = self._note(replace(noted, growing=wanted))
            self._tell("draining: router, retry and outbox write no deliveries")
        else:
            self._tell("going on with the resize that was begun")
        if not self._drained(noted, within_s):
            self._give_up(noted)
            raise CannotResize(
                f"deliveries was not finished within {within_s:.0f} s, so the old partitions go on:"
                " is every deliverer running, and does `hookstream offsets` show it moving?"
            )
        before = noted.partitions[DELIVERIES]
        ends = bounds(self._kafka, OUTCOMES, before)
        last = Growth(partitions=before, ends=tuple(ends[p].end for p in range(before)))
        noted = self._note(replace(noted, growth=(*_past(noted), last)[-KEPT:]))
        for topic in sorted(noted.growing, reverse=True):  # outcomes before deliveries
            self._add_partitions(topic, noted.growing[topic])
        grown = noted.partitions | noted.growing
        self._note(replace(noted, partitions=grown, growing={}))
        self._tell("grown: deliveries are written again")

    def _drained(self, noted: TopicsNote, within_s: float) -> bool:
        """Whether, in time, everything on deliveries is settled and nothing more comes."""
        partitions = noted.partitions[DELIVERIES]
        deadline, still_since, told_at = time.monotonic() + within_s, time.monotonic(), 0.0
        last: dict[int, int] = {}
        while (now := time.monotonic()) < deadline:
            ends = {p: b.end for p, b in bounds(self._kafka, DELIVERIES, partitions).items()}
            at = committed(self._kafka, _DELIVERER, DELIVERIES, partitions)
            open_ = sum(end - (at[p].offset if at.get(p) else 0) for p, end in ends.items())
            if open_ or ends != last:
                last, still_since = ends, now
            elif now - still_since >= STILL_S:
                return True
            if open_ and now - told_at >= _TELL_S:
                self._tell(f"draining: {open_:,} deliveries are not finished")
                told_at = now
            time.sleep(_LOOK_S)
        return False

    def _add_partitions(self, topic: str, partitions: int) -> None:
        there = partition_counts(self._kafka).partitions[topic]
        if there < partitions:
            new = [NewPartitions(self._kafka.topic(topic), partitions)]
            admin = admin_client(self._kafka)
            for grown in admin.create_partitions(new, request_timeout=MADE_WITHIN_S).values():
                try:
                    grown.result(MADE_WITHIN_S)
                except KafkaException as error:
                    # It has them: a run before this one was ended before all brokers said so.
                    if error.args[0].code() != KafkaError.INVALID_PARTITIONS:
                        raise
            self._tell(f"{topic}: {there} to {partitions} partitions")
        deadline = time.monotonic() + _GROWN_WITHIN_S
        while not self._writer.knows(topic, partitions):
            if time.monotonic() > deadline:
                raise CannotResize(
                    f"{topic} has grown, and Kafka does not say so yet: run this again"
                )
            time.sleep(_LOOK_S)

    def _until_taken(self) -> None:
        """Every group that has started has an offset for what is new; then config says so."""
        self._table.catch_up(30)
        counts = self._noted().partitions
        deadline, told = time.monotonic() + _TAKEN_WITHIN_S, False
        for group in list(self._table.config.groups.values()):
            wanted = {t: counts.get(t, n) for t, n in group.partitions.items()}
            while missing := self._untaken(group.group, group.partitions, wanted):
                if not told:
                    self._tell("waiting until the services have taken the new partitions over")
                    told = True
                if time.monotonic() > deadline:
                    raise CannotResize(f"{group.group} has not taken {missing}: run this again")
                time.sleep(_LOOK_S)
            if wanted != group.partitions:
                note(self._table, self._writer, replace(group, partitions=wanted))

    def _untaken(self, group: str, known: dict[str, int], wanted: dict[str, int]) -> list[str]:
        untaken = []
        for topic, partitions in wanted.items():
            if partitions > known[topic]:
                at = committed(self._kafka, group, topic, partitions)
                missing = [p for p in range(known[topic], partitions) if at.get(p) is None]
                if missing and not begin(self._kafka, group, topic, missing):
                    untaken.append(f"{topic} {missing}")
        return untaken

    def _give_up(self, noted: TopicsNote) -> None:
        self._note(replace(noted, growing={}, growth=_past(noted)))
        self._tell("given up: the old partitions go on")

    def _note(self, noted: TopicsNote) -> TopicsNote:
        note(self._table, self._writer, noted)
        return noted

    def _noted(self) -> TopicsNote:
        self._table.catch_up(30)
        noted = self._table.config.topics
        if noted is None:
            raise CannotResize("no topics noted in config: run `hookstream topics apply`")
        return noted


def check(noted: TopicsNote, wanted: dict[str, int], there: dict[str, int]) -> None:
    """Whether this can be done at all. Raises `CannotResize` that says what can. Pure."""
    if noted.growing and noted.growing != wanted:
        raise CannotResize(f"another resize is under way. {_again(noted)}")
    for topic, to in wanted.items():
        now, on_kafka = noted.partitions[topic], there[topic]
        if to < max(now, on_kafka):
            raise CannotResize(f"{topic} has {max(now, on_kafka)} partitions: Kafka never shrinks")
        if topic != EVENTS and to % now:
            fits = f"{now * 2}, {now * 3} or {now * 4}"
            raise CannotResize(
                f"{to} is no multiple of {now}: a lane's history stays in one partition with {fits}"
            )


def _past(noted: TopicsNote) -> tuple[Growth, ...]:
    """The raises that are over: one to the N of now has only been prepared."""
    now = noted.partitions[DELIVERIES]
    return tuple(growth for growth in noted.growth if growth.partitions < now)


def _again(noted: TopicsNote) -> str:
    told = f"`hookstream topics resize --partitions {noted.growing[DELIVERIES]}"
    events = noted.growing.get(EVENTS)
    return told + (f" --events {events}`" if events else "`") + " goes on with it, --abort ends it"
