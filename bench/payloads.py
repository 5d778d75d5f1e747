"""What is sent: 1 KB of JSON with the time of sending in it, or the data of a file."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hookstream.model.records import Event
from services.cli.demo_events import as_posted, lines

SIZE = 1024
LANES = 64
"""Webhooks, each with a type of its own: one event, one delivery."""

Data = Callable[[int], bytes]
Times = dict[str, int]


def small(number: int) -> bytes:
    """1,024 bytes of JSON, made now."""
    head = b'{"seq":%d,"sent_ns":%d,"text":"' % (number, time.time_ns())
    return head + b"x" * (SIZE - len(head) - 2) + b'"}'


def of_file(path: Path) -> Data:
    """The payloads of a file, again and again."""
    known = [bytes(line.data) for line in lines(path)]
    return lambda number: known[number % len(known)]


def events(
    workspace: str,
    run: str,
    count: int,
    data: Data,
    times: Times,
    kind: str = "bench",
    types: int = LANES,
) -> Iterator[Event]:
    """Events as they are asked for, of `types` types in turn; `times` learns when."""
    for number in range(count):
        now = time.time_ns()
        name = f"{run}_{number}"
        times[name] = now
        yield Event(
            workspace=workspace,
            id=name,
            type=f"{kind}.{number % types}",
            created_at_ms=now // 1_000_000,
            data=data(number),
        )


def requests(made: Iterator[Event], key: str) -> Iterator[bytes]:
    """One event a request."""
    for event in made:
        yield _request(b"/v1/events", as_posted(event), key)


def batches(made: Iterator[Event], key: str, size: int) -> Iterator[bytes]:
    """`size` events a request."""
    some: list[Event] = []
    for event in made:
        some.append(event)
        if len(some) == size:
            yield _request(b"/v1/events/batch", _array(some), key)
            some = []
    if some:
        yield _request(b"/v1/events/batch", _array(some), key)


def _array(some: Sequence[Event]) -> bytes:
    return b"[" + b",".join(map(as_posted, some)) + b"]"


def _request(path: bytes, body: bytes, key: str) -> bytes:
    return (
        b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        % (path, key.encode(), len(body), body)
    )
