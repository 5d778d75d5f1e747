"""Logs: one JSON object a line, and a reader that does not read stalls nobody."""

import json
import logging
import os
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from hookstream.process.logs import JsonHandler, Logs

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def lines(logs: Logs, pipe: Pipe) -> list[dict[str, Any]]:
    """What was written, after the writer was closed."""
    logs.close(5)
    return [json.loads(line) for line in os.read(pipe[0], 1 << 20).decode().splitlines()]


def test_a_line_is_one_object_with_time_level_service_and_fields(pipe: Pipe) -> None:
    logs = Logs("deliverer", fd=pipe[1])
    logs.line("turn", {"delivery": "d1", "turn": 2, "odd": {1, 2}.__class__, "text": "a\nb"})
    (line,) = lines(logs, pipe)
    assert datetime.fromisoformat(line.pop("ts")).tzinfo is not None
    assert line == {
        "level": "info",
        "service": "deliverer",
        "message": "turn",
        "delivery": "d1",
        "turn": 2,
        "odd": "<class 'set'>",
        "text": "a\nb",
    }


def test_a_line_below_the_level_is_not_written(pipe: Pipe) -> None:
    logs = Logs("deliverer", "warning", fd=pipe[1])
    logs.line("turn", {"delivery": "d1"})
    logs.line("stdout is slow", {}, "warning")
    assert [line["message"] for line in lines(logs, pipe)] == ["stdout is slow"]
    assert [logs.writes(level) for level in ("info", "warning", "error")] == [False, True, True]


def test_the_standard_librarys_records_become_such_lines(pipe: Pipe) -> None:
    logs = Logs("router", fd=pipe[1])
    logger = logging.Logger("hookstream.test")
    logger.addHandler(JsonHandler(logs))
    extra = {"fields": {"topic": "events", "service": "forged"}, "trace_id": "0af7"}
    logger.warning("lag of %d", 5, extra=extra)
    logger.warning("wrong %d", "argument")
    try:
        raise KeyError("gone")
    except KeyError:
        logger.exception("it failed")
    first, second, third = lines(logs, pipe)
    assert (
        first.items()
        >= {
            "level": "warning",
            "service": "router",
            "message": "lag of 5",
            "topic": "events",
            "trace_id": "0af7",
            "logger": "hookstream.test",
        }.items()
    )
    assert second["message"] == "wrong %d ('argument',)"
    assert "KeyError: 'gone'" in third["error"]


def test_a_line_that_cannot_be_encoded_takes_no_other_along(pipe: Pipe) -> None:
    logs = Logs("deliverer", fd=pipe[1])
    for text in ("before", "\ud800", "after"):
        logs.line("turn", {"text": text})
    assert [line["text"] for line in lines(logs, pipe)] == ["before", r"'\ud800'", "after"]


def test_with_nobody_reading_lines_are_dropped_counted_and_the_count_is_logged(pipe: Pipe) -> None:
    logs = Logs("deliverer", fd=pipe[1], most_lines=100)
    while not logs.dropped:  # the pipe is full, then the queue is; no call ever waits
        logs.line("turn", {"text": "x" * 1000})
    received = bytearray()
    told = threading.Event()

    def read() -> None:
        while not told.is_set():
            received.extend(os.read(pipe[0], 1 << 16))
            if b"lines dropped" in received:
                told.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert told.wait(10)
    reader.join(10)
    logs.close(5)
    counts = [
        json.loads(line)["count"] for line in received.splitlines() if b"lines dropped" in line
    ]
    assert sum(counts) <= logs.dropped
    assert counts[0] > 0


def test_a_reader_that_has_gone_does_not_end_the_service() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    logs = Logs("deliverer", fd=writer)
    logs.line("turn", {})
    logs.close(5)
    os.close(writer)
    assert logs.dropped >= 1
