"""What a process tells its keeper: started, ready (else why not), alive (its loops move).

A tiny server on a thread of its own answers one request at a time, also while a loop hangs:
`/healthz/startup`, `/healthz/ready`, `/healthz/live` (200 or 503, with reasons as JSON) and
`/metrics`.
"""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Lock, Thread
from time import monotonic

REQUEST_S = 2.0
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
Clock = Callable[[], float]
Reasons = dict[str, str]


class Health:
    """Kept by the loops, asked by the server. Threads may share it."""

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._beats: dict[str, float] = {}
        self._max_ages: dict[str, float] = {}
        self._waiting: Reasons = {}
        self._notes: Reasons = {}
        self._parts: set[str] = set()
        self._started = False

    def expect(self, name: str, max_age_s: float) -> None:
        """From now on this loop must beat at least so often."""
        with self._lock:
            self._max_ages[name] = max_age_s
            self._beats[name] = self._clock()

    def beat(self, name: str) -> None:
        """The loop has moved. Cheap: for every turn of a loop."""
        self._beats[name] = self._clock()

    def forget(self, name: str) -> None:
        """The loop has ended as it should."""
        with self._lock:
            self._max_ages.pop(name, None)
            self._beats.pop(name, None)

    def started(self) -> None:
        """The start is over; readiness may still come and go."""
        self._started = True

    def not_ready(self, name: str, reason: str) -> None:
        """Not ready because of this, until `ready(name)`."""
        with self._lock:
            self._parts.add(name)
            self._waiting[name] = reason

    def ready(self, name: str) -> None:
        """This reason is gone."""
        with self._lock:
            self._waiting.pop(name, None)

    def note(self, name: str, text: str | None) -> None:
        """Something that people should know, ready or not; None: it is over."""
        with self._lock:
            if text is None:
                self._notes.pop(name, None)
            else:
                self._notes[name] = text

    def notes(self) -> Reasons:
        """What `note` was told."""
        with self._lock:
            return dict(self._notes)

    def startup_reasons(self) -> Reasons:
        """Why the start is not over; empty when it is."""
        return {} if self._started else {"start": "not finished", **self.waiting()}

    def ready_reasons(self) -> Reasons:
        """Why it is not ready; empty when it is."""
        return {**self.startup_reasons(), **self.waiting()}

    def live_reasons(self) -> Reasons:
        """Which loops stand still; empty when all move."""
        ages, most = self.ages(), dict(self._max_ages)
        late = {name: age for name, age in ages.items() if age > most.get(name, age)}
        return {name: f"has not moved for {age:.1f} s" for name, age in late.items()}

    def ages(self) -> dict[str, float]:
        """Seconds since each loop moved last."""
        with self._lock:
            return {name: self._clock() - self._beats[name] for name in self._max_ages}

    def parts(self) -> dict[str, bool]:
        """What readiness has ever waited for, and whether it does now."""
        with self._lock:
            return {name: name in self._waiting for name in self._parts}

    def waiting(self) -> Reasons:
        """The reasons given by `not_ready`."""
        with self._lock:
            return dict(self._waiting)


class HealthServer:
    """Serves one Health and the metrics. OSError if it cannot listen. Port 0: any free one."""

    def __init__(
        self, health: Health, metrics: Callable[[], bytes], *, host: str = "127.0.0.1", port: int
    ) -> None:
        class Handler(_Handler):
            pages = {  # noqa: RUF012 - a class of its own for each server
                "/healthz/startup": lambda: _page(health.startup_reasons()),
                "/healthz/ready": lambda: _page(health.ready_reasons(), health.notes()),
                "/healthz/live": lambda: _page(health.live_reasons()),
                "/metrics": lambda: (200, PROMETHEUS, metrics()),
            }

        self._server = HTTPServer((host, port), Handler)
        self.port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening. Bounded by one request."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(REQUEST_S)


Page = tuple[int, str, bytes]


def _page(reasons: Reasons, notes: Reasons | None = None) -> Page:
    told = {"ok": not reasons, "reasons": reasons} | ({"notes": notes} if notes else {})
    body = json.dumps(told).encode()
    return (503 if reasons else 200), "application/json", body


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_S
    pages: dict[str, Callable[[], Page]]

    def do_GET(self) -> None:
        """One page; then the connection is closed."""
        page = self.pages.get(self.path.partition("?")[0])
        status, kind, body = page() if page else (404, "text/plain", b"not here\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes are not logged."""
