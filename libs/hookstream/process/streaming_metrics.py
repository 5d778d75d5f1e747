"""What every service tells of its end of Kafka: its loops, its producer, its dead letters."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from time import time

from hookstream.process.metrics import (
    ERROR,
    GROUP,
    OPERATION,
    PARTITION,
    SYSTEM,
    TOPIC,
    Declared,
    Value,
    durations,
    observe,
    single,
)
from hookstream.stream.loop import Loop
from hookstream.stream.record import Assignment
from hookstream.stream.writer import Writer

CONSUMED = Declared(
    "messaging.client.consumed.messages",
    "counter",
    "{message}",
    "Records read by a loop",
    (SYSTEM, OPERATION, GROUP, TOPIC),
)
SENT = Declared(
    "messaging.client.sent.messages",
    "counter",
    "{message}",
    "Records given to the producer",
    (SYSTEM, OPERATION, TOPIC),
)
REFUSED = Declared(
    "hookstream.producer.refused", "counter", "{message}",
    "Records that Kafka did not take; each is taken care of by whoever sent it", (ERROR,),
)  # fmt: skip
UNACKED = Declared(
    "hookstream.producer.unacknowledged", "gauge", "{message}", "Records Kafka has not answered for"
)
LAG = Declared(
    "hookstream.consumer.lag",
    "gauge",
    "{message}",
    "Records of a partition that are not finished; of a retry tier: those that wait in it",
    (GROUP, TOPIC, PARTITION),
)
UNREAD_AGE = Declared(
    "hookstream.consumer.oldest_unread.age",
    "gauge",
    "s",
    "How long ago the oldest record that is not read was appended, at most; 0: all is read",
    (GROUP, TOPIC),
)
OPEN = Declared("hookstream.consumer.open", "gauge", "{message}", "Read, not finished", (GROUP,))
ASSIGNED = Declared("hookstream.consumer.assigned", "gauge", "{partition}", "Assigned", (GROUP,))
PAUSED = Declared(
    "hookstream.consumer.paused", "gauge", "{partition}", "Have enough for now", (GROUP,)
)
MOVED = Declared(
    "hookstream.consumer.moved", "counter", "{partition}", "Partitions that came and went",
    (GROUP, "hookstream.change"),
)  # fmt: skip
COMMITS_REFUSED = Declared(
    "hookstream.consumer.commits.refused", "counter", "{commit}", "Offsets not taken", (GROUP,)
)
FULL = Declared(
    "hookstream.loop.full.time", "counter", "s", "Reading held up: enough was open", (GROUP,)
)
LOST = Declared(
    "hookstream.consumer.lost", "counter", "{message}", "Deleted by Kafka before they were read",
    (GROUP, TOPIC),
)  # fmt: skip
TURN = Declared(
    "hookstream.loop.turn.duration", "histogram", "s",
    "From one turn of a loop to the next; it waits for records for 0.1 s at most", (GROUP,),
    (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 3, 10),
)  # fmt: skip
DEAD = Declared(
    "hookstream.dead_letters", "counter", "{message}", "Records given up, by where they came from",
    (TOPIC, "hookstream.reason"),
)  # fmt: skip
METRICS = (
    CONSUMED, SENT, REFUSED, UNACKED, LAG, UNREAD_AGE, OPEN, ASSIGNED, PAUSED, MOVED,
    COMMITS_REFUSED, FULL, LOST, TURN, DEAD,
)  # fmt: skip
ALWAYS = ("undecodable", "too_large", "lost")
"""Reasons of dead letters that are shown as 0 before they occur."""

Rows = Iterable[tuple[float, tuple[Value, ...]]]
Number = Callable[[Loop], float]


def watch(loops: Mapping[str, Loop], writer: Writer, dead: Counter[tuple[str, str]]) -> None:
    """Show them; loops may be added later. Once a process."""
    _watch_writer(writer)
    _watch_positions(loops)

    def of_each(number: Number) -> Rows:
        return [(number(loop), (group,)) for group, loop in list(loops.items())]

    def moved() -> Rows:
        for group, loop in list(loops.items()):
            yield from ((n, (group, what)) for what, n in loop.counts.moved.items())

    def lost() -> Rows:
        for group, loop in list(loops.items()):
            yield from ((n, (group, topic)) for topic, n in list(loop.counts.lost.items()))

    def dead_letters() -> Rows:
        topics = [topic for loop in list(loops.values()) for topic in loop.topics]
        shown = {(topic, reason): 0 for topic in topics for reason in ALWAYS} | dict(dead)
        return [(n, key) for key, n in shown.items()]

    observe(OPEN, lambda: of_each(lambda lo: sum(len(a.window) for a in assigned(lo))))
    observe(ASSIGNED, lambda: of_each(lambda loop: len(loop.assignments)))
    observe(PAUSED, lambda: of_each(lambda loop: sum(a.paused for a in assigned(loop))))
    observe(COMMITS_REFUSED, lambda: of_each(lambda loop: loop.counts.commits_refused))
    observe(FULL, lambda: of_each(lambda loop: loop.counts.full_s))
    observe(MOVED, moved)
    observe(LOST, lost)
    observe(DEAD, dead_letters)


def assigned(loop: Loop) -> list[Assignment]:
    """What the loop reads now."""
    return list(loop.assignments.values())


def time_turns(loop: Loop) -> None:
    """From now on the loop's turns are counted by how long they take."""
    loop.counts.told = durations(TURN).of(loop.group).add


def _watch_writer(writer: Writer) -> None:
    observe(SENT, lambda: [(n, ("kafka", "send", t)) for t, n in list(writer.sent.items())])
    observe(REFUSED, lambda: [(n, (why.value,)) for why, n in writer.refused.items()])
    observe(UNACKED, single(lambda: len(writer)))


def _watch_positions(loops: Mapping[str, Loop]) -> None:
    def consumed() -> Rows:
        for group, loop in list(loops.items()):
            for topic, n in loop.counts.read_of(assigned(loop)).items():
                yield n, ("kafka", "poll", group, topic)

    def lag() -> Rows:
        for group, loop in list(loops.items()):
            known = (a for a in assigned(loop) if a.end is not None)
            yield from ((a.lag, (group, a.topic, str(a.partition))) for a in known)

    def age() -> Rows:
        now_ms = int(time() * 1000)
        for group, loop in list(loops.items()):
            oldest = dict.fromkeys(loop.topics, 0.0)
            for a in assigned(loop):
                oldest[a.topic] = max(oldest[a.topic], a.unread_age_s(now_ms))
            yield from ((age_s, (group, topic)) for topic, age_s in oldest.items())

    observe(CONSUMED, consumed)
    observe(LAG, lag)
    observe(UNREAD_AGE, age)
