"""What status tells: how far the log is behind, and what waits in Postgres."""

from collections.abc import Mapping
from time import monotonic

from hookstream.process.metrics import TOPIC, Declared, Look, durations, observe
from hookstream.store.survey import Survey
from services.status.batches import Batches
from services.status.upkeep import Upkeep

BATCH = Declared(
    "hookstream.status.batch.duration",
    "histogram",
    "s",
    "One batch into Postgres, its transaction committed",
    (TOPIC,),
    (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60),
)
WRITTEN = Declared(
    "hookstream.status.written", "counter", "{message}", "Records in the log", (TOPIC,)
)
UNLOGGED = Declared(
    "hookstream.status.oldest_unlogged.age",
    "gauge",
    "s",
    "How long ago the oldest record that was read and is not in the log was appended",
    (TOPIC,),
)
OUTBOX = Declared("hookstream.outbox.depth", "gauge", "{message}", "Decided, not on Kafka yet")
OUTBOX_AGE = Declared(
    "hookstream.outbox.oldest_age", "gauge", "s", "How long the oldest of them has waited"
)
PARKED = Declared(
    "hookstream.parked", "gauge", "{delivery}",
    "Deliveries that wait for a paused or disabled webhook; counted up to 100,000",
)  # fmt: skip
PARKED_AGE = Declared(
    "hookstream.parked.oldest_age", "gauge", "s", "How long ago the event of the oldest was logged"
)
DEAD = Declared(
    "hookstream.dead_letters.recent", "gauge", "{message}",
    "Dead letters of the last 24 hours; counted up to 100,000",
)  # fmt: skip
METRICS = (BATCH, WRITTEN, UNLOGGED, OUTBOX, OUTBOX_AGE, PARKED, PARKED_AGE, DEAD)
FRESH_S = 30.0
"""What was seen longer ago is not shown: the database is away, or another process looks now."""


def watch(batches: Mapping[str, Batches], upkeep: Upkeep) -> None:
    """Show them. Once a process. What is in Postgres is told by the one that does the upkeep."""
    for topic, each in batches.items():
        each.took = durations(BATCH).of(topic).add
    observe(WRITTEN, lambda: [(each.written, (topic,)) for topic, each in batches.items()])
    observe(UNLOGGED, lambda: [(b.oldest_age_s(), (topic,)) for topic, b in batches.items()])

    def seen(number: str) -> Look:
        def look() -> list[tuple[float, tuple[()]]]:
            found: Survey | None = upkeep.survey
            if found is None or monotonic() - found.at > FRESH_S:
                return []
            return [(getattr(found, number), ())]

        return look

    observe(OUTBOX, seen("outbox"))
    observe(OUTBOX_AGE, seen("outbox_oldest_s"))
    observe(PARKED, seen("parked"))
    observe(PARKED_AGE, seen("parked_oldest_s"))
    observe(DEAD, seen("dead"))
