"""The events that a demo or a measurement sends: bundled ones of our own, or a file of yours."""

from collections.abc import Iterator
from pathlib import Path
from time import time

import msgspec
from click import ClickException

from hookstream.model.records import Event
from hookstream.model.request import iso

BUNDLED = Path(__file__).with_name("events.jsonl")


class Line(msgspec.Struct):
    """One line of a file: a type, and data that is passed on byte for byte."""

    type: str
    data: msgspec.Raw


def lines(path: Path | None = None) -> Iterator[Line]:
    """The events of a file of JSON lines `{"type": …, "data": …}`; the bundled ones if None."""
    for number, raw in enumerate((path or BUNDLED).read_bytes().splitlines(), 1):
        if raw.strip():
            try:
                yield msgspec.json.decode(raw, type=Line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ClickException(f"{path or BUNDLED}, line {number}: {error}") from error


def events(workspace: str, prefix: str, path: Path | None = None) -> list[Event]:
    """The events of a file with ids `<prefix>_1` and so on, created now."""
    now_ms = int(time() * 1000)
    return [
        Event(
            workspace=workspace,
            id=f"{prefix}_{number}",
            type=line.type,
            created_at_ms=now_ms + number,
            data=bytes(line.data),
        )
        for number, line in enumerate(lines(path), 1)
    ]


def as_posted(event: Event) -> bytes:
    """The event as a request to ingest has it; its data untouched."""
    head = msgspec.json.encode(
        {"id": event.id, "type": event.type, "created_at": iso(event.created_at_ms).decode()}
    )
    return head[:-1] + b',"data":' + event.data + b"}"
