"""Whether what was received is what was sent, by the receiver's own record."""

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hookstream.model.records import Event
from hookstream.model.request import render
from services.cli.demo_send import Times
from services.cli.demo_webhooks import Hook, expected, path
from services.cli.receiver import Record, Seen


class Result(NamedTuple):
    """One webhook's events, sent and received."""

    hook: Hook
    events: int
    requests: int
    delivered: int
    retried: int
    """Events that took more than one request."""
    delays_ms: list[float]
    """From sending to the request that was answered 2xx, sorted."""
    wrong: list[str]
    """A line for each thing that should not be."""


def results(
    hooks: Sequence[Hook], sent: Sequence[Event], times: Times, record: Record, run: str
) -> list[Result]:
    """One a webhook, in their order."""
    return [
        _result(hook, expected(hook, sent), times, record.get(path(run, hook), []))
        for hook in hooks
    ]


def arrived(hooks: Sequence[Hook], record: dict[str, int], run: str) -> int:
    """Requests answered 2xx so far."""
    return sum(record.get(path(run, hook), 0) for hook in hooks)


def _result(hook: Hook, wanted: Sequence[Event], times: Times, seen: Sequence[Seen]) -> Result:
    taken = {s.id: s for s in reversed(seen) if s.status == 200}
    requests = Counter(s.id for s in seen)
    delays = [(taken[e.id].at_ns - times[e.id]) / 1e6 for e in wanted if e.id in taken]
    return Result(
        hook=hook,
        events=len(wanted),
        requests=len(seen),
        delivered=len(taken),
        retried=sum(1 for count in requests.values() if count > 1),
        delays_ms=sorted(delays),
        wrong=list(_wrong(hook, wanted, seen, taken)),
    )


def _wrong(
    hook: Hook, wanted: Sequence[Event], seen: Sequence[Seen], taken: dict[str, Seen]
) -> Iterator[str]:
    ids = {event.id for event in wanted}
    yield from (f"missing: {event.id}" for event in wanted if event.id not in taken)
    yield from (f"extra: {event}" for event in sorted({s.id for s in seen} - ids))
    twice = Counter(s.id for s in seen if s.status == 200)
    yield from (f"taken {count} times: {event}" for event, count in twice.items() if count > 1)
    if not hook.may_repeat and len(seen) > len(twice):
        yield f"{len(seen) - len(twice)} requests that its receiver gave no cause for"
    for event in wanted:
        if event.id in taken and taken[event.id].crc != zlib.crc32(render("standard", event)):
            yield f"changed on the way: {event.id}"
