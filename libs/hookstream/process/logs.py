"""Logs: one JSON object a line on stdout, and a slow reader of stdout never stalls a loop.

Whoever logs only appends to a bounded queue; a thread encodes and writes what has gathered. When
the queue is full, lines are dropped, counted, and the count is logged once there is room again.
"""

import logging
import os
import select
import threading
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from time import sleep
from typing import Any

import msgspec

STDOUT = 1
MOST_LINES = 20_000
GATHER_S = 0.02
CLOSE_S = 1.0
Line = dict[str, Any]
_NUMBERS = logging.getLevelNamesMapping()


class Logs:
    """A writer of lines of a level or above, for any thread; `close` writes what is queued."""

    def __init__(
        self, service: str, level: str = "info", *, fd: int = STDOUT, most_lines: int = MOST_LINES
    ) -> None:
        self.service = service
        self.dropped = 0
        self._least = _NUMBERS[level.upper()]
        self._fd = fd
        self._most_lines = most_lines
        self._queue: deque[Line] = deque()
        self._awake = False
        self._wake = threading.Event()
        self._closing = False
        self._broken = False
        self._encoder = msgspec.json.Encoder(enc_hook=str)
        self._thread = threading.Thread(target=self._write_all, name="logs", daemon=True)
        self._thread.start()

    def line(self, message: str, fields: Mapping[str, Any], level: str = "info") -> None:
        """Log one line, never waiting: for hot paths. The fields must not change afterwards."""
        if not self.writes(level):
            return
        self.put(
            {
                "ts": datetime.now(UTC),
                "level": level,
                "service": self.service,
                "message": message,
                **fields,
            }
        )

    def writes(self, level: str) -> bool:
        """Whether lines of this level are written: else what they say need not be gathered."""
        return _NUMBERS[level.upper()] >= self._least

    def put(self, line: Line) -> None:
        """Queue a whole line; drop and count it when the queue is full."""
        if len(self._queue) >= self._most_lines:
            self.dropped += 1
            return
        self._queue.append(line)
        if not self._awake:
            self._awake = True
            self._wake.set()

    def close(self, within_s: float = CLOSE_S) -> None:
        """Write what is queued, for as long as this at most. Lines logged later are lost."""
        self._closing = True
        self._wake.set()
        self._thread.join(within_s)

    def _write_all(self) -> None:
        told = 0
        while not (self._closing and not self._queue):
            self._wake.wait()
            if not self._closing:
                sleep(GATHER_S)  # not to wait for something: one write for many lines
            self._wake.clear()
            self._awake = False
            while self._queue:
                self._write(self._encode([self._queue.popleft() for _ in range(len(self._queue))]))
            told = self._tell_drops(told)

    def _tell_drops(self, told: int) -> int:
        if (dropped := self.dropped) > told and not self._broken:
            self.line("log lines dropped: stdout is slow", {"count": dropped - told}, "warning")
        return dropped

    def _encode(self, lines: list[Line]) -> bytes:
        try:
            return self._encoder.encode_lines(lines)
        except Exception:  # one that cannot be encoded must not take the others along
            return b"".join(self._encode_alone(line) for line in lines)

    def _encode_alone(self, line: Line) -> bytes:
        try:
            return self._encoder.encode(line) + b"\n"
        except Exception:
            safe = {key: ascii(value) for key, value in line.items()}
            return self._encoder.encode({**safe, "ts": line.get("ts")}) + b"\n"

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._broken:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:  # somebody made the terminal or pipe non-blocking
                select.select([], [self._fd], [], GATHER_S)
            except OSError:  # nobody reads any more: the service goes on without
                self._broken = True
        self.dropped += bytes(view).count(b"\n")


class JsonHandler(logging.Handler):
    """The standard library's records as our lines; fields by `extra={"fields": {…}}`."""

    def __init__(self, logs: Logs) -> None:
        super().__init__()
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record, with its error and trace_id if it has them."""
        fields: Line = dict(getattr(record, "fields", {}))
        fields["logger"] = record.name
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = logging.Formatter().formatException(record.exc_info)
        if trace_id := getattr(record, "trace_id", None):
            fields["trace_id"] = trace_id
        own = {
            "ts": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "service": self._logs.service,
            "message": _text(record),
        }
        self._logs.put({**own, **fields, **own})


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # arguments that do not fit: still worth a line
        return f"{record.msg} {record.args}"


def set_up(service: str, level: str = "info", *, fd: int = STDOUT) -> Logs:
    """Make the standard library's logging write our lines; what writes them."""
    logs = Logs(service, level, fd=fd)
    logging.basicConfig(level=level.upper(), handlers=[JsonHandler(logs)], force=True)
    logging.captureWarnings(capture=True)
    return logs
