"""A batch of events: looked at one by one, each with an answer of its own."""

import asyncio
import json
from collections.abc import Iterator, Sequence

from msgspec import Raw, Struct

from hookstream.model.errors import Refusal
from hookstream.model.records import Event
from services.ingest.door import MAY_BE_NEW, Door, event_of
from services.ingest.posted import decode
from services.ingest.problems import Problem, refused

AT_ONCE = 50
"""Events that are looked at before other requests get their turn."""


class Doubt(Struct, frozen=True):
    """An event that was refused by config as it was known then."""

    event: Event
    refusal: Refusal


Found = list[Event | Doubt | Problem]


def check_count(count: int, most: int) -> None:
    """Refuse a batch of no events or of too many."""
    if not count:
        raise Problem(422, "empty_batch", "the batch has no events", field="body")
    if count > most:
        detail = f"the batch has {count} events, more than the {most} allowed"
        raise Problem(413, "too_many_events", detail, field="body", hint="send several batches")


async def look_at(
    items: Sequence[bytes | Raw], workspace: str, idempotency_key: str, door: Door
) -> Found:
    """Each item as an event, or what is wrong with it. The n-th has `<Idempotency-Key>/<n>`."""
    found: Found = []
    for number, item in enumerate(items):
        if number % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        keyed = f"{idempotency_key}/{number}" if idempotency_key else ""
        try:
            event = event_of(decode(item), workspace, keyed)
        except Problem as problem:
            found.append(problem)
            continue
        refusal = door.check(event)
        found.append(event if refusal is None else Doubt(event, refusal))
    return found


def doubtful(found: Found) -> bool:
    """Whether any was refused for what config, read to its end, may know."""
    return any(isinstance(seen, Doubt) and seen.refusal.code in MAY_BE_NEW for seen in found)


def settle(found: Found, door: Door) -> None:
    """Decide what was in doubt, for good."""
    for number, seen in enumerate(found):
        if isinstance(seen, Doubt):
            refusal = door.check(seen.event) if seen.refusal.code in MAY_BE_NEW else seen.refusal
            found[number] = seen.event if refusal is None else refused(refusal, seen.event.id)


def answer(found: Found, problems: Sequence[Problem | None]) -> tuple[int, bytes]:
    """202 if all are in, 207 if some are, else the gravest of what they were refused with.

    problems: for each event that went to Kafka, in order.
    """
    published = iter(problems)
    told = [_told(seen, published) for seen in found]
    statuses = {status for status, _ in told}
    status = 202 if statuses == {202} else 207 if 202 in statuses else max(statuses)
    return status, b'{"events": [%b]}' % b", ".join([one for _, one in told])


def _told(seen: Event | Doubt | Problem, published: Iterator[Problem | None]) -> tuple[int, bytes]:
    problem = next(published) if isinstance(seen, Event) else seen
    if isinstance(problem, Problem):
        return problem.status, json.dumps(problem.told()).encode()
    assert isinstance(seen, Event)  # noqa: S101 - settled
    return 202, b'{"status": 202, "id": "%b"}' % seen.id.encode()  # an id needs no escapes
