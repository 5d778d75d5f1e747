"""What the deliverer counts: turns, requests, delays, and how full it is. Never whose."""

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus

from hookstream.model.records import OWN_FAULT, TRIALS, Attempt, Outcome, Timing
from hookstream.process.metrics import (
    DELAY_BUCKETS_S,
    ERROR,
    REQUEST_BUCKETS_S,
    STATUS,
    Declared,
    Series,
    Value,
    durations,
    observe,
    single,
)
from services.deliverer.halt import Halt
from services.deliverer.lanes import Lanes

RESULT, REASON, ATTEMPT = "hookstream.result", "hookstream.reason", "hookstream.attempt"
TURNS = Declared(
    "hookstream.turns", "counter", "{turn}", "Turns that ended, by how and why", (RESULT, REASON)
)
ATTEMPTS = Declared(
    "webhook.delivery.attempts",
    "counter",
    "{request}",
    "Requests by the how-manieth of their delivery they were, and what came of them",
    (ATTEMPT, RESULT),
)
REQUEST = Declared(
    "http.client.request.duration",
    "histogram",
    "s",
    "From the request to status and headers, or to its failure",
    (STATUS, ERROR),
    REQUEST_BUCKETS_S,
)
LATENCY = Declared(
    "webhook.delivery.latency",
    "histogram",
    "s",
    "From when Kafka had the event to the answer that took it; tests and replays are left out",
    (ATTEMPT,),
    DELAY_BUCKETS_S,
)
STAGE = Declared(
    "webhook.delivery.stage.duration",
    "histogram",
    "s",
    "Parts of a turn with a request: queue (on the topic), lane (rate, slots, circuit), and of a"
    " new connection dns, connect, tls; body: after the headers",
    ("hookstream.stage",),
    DELAY_BUCKETS_S,
)
IN_FLIGHT = Declared(
    "hookstream.slots.used",
    "gauge",
    "{request}",
    "Requests in flight, by what is known of their receivers (deliverer/shares.py)",
    ("hookstream.rank",),
)
SLOTS = Declared("hookstream.slots.limit", "gauge", "{request}", "How many may be in flight")
WAITING = Declared("hookstream.lanes.waiting", "gauge", "{delivery}", "Wait in memory for a lane")
WAITING_BYTES = Declared("hookstream.lanes.waiting.size", "gauge", "By", "What they take up")
KNOWN = Declared("hookstream.lanes.known", "gauge", "{webhook}", "Webhooks with traffic of late")
CIRCUITS = Declared(
    "hookstream.circuits.open", "gauge", "{webhook}", "Webhooks that get one probe a cool-down"
)
REMEMBERED = Declared(
    "hookstream.turns.remembered",
    "gauge",
    "{turn}",
    "Turns that are not done again: open, and the last 20,000 first and later ones of a partition",
)
STOPPED = Declared(
    "hookstream.sending.stopped", "gauge", "1", "1 while a person stopped all sending"
)
METRICS = (
    TURNS, ATTEMPTS, REQUEST, LATENCY, STAGE, IN_FLIGHT, SLOTS, WAITING, WAITING_BYTES,
    KNOWN, CIRCUITS, REMEMBERED, STOPPED,
)  # fmt: skip

RANKS = ("suspect", "unproven", "slow", "fast")
ALWAYS = (("deferred", OWN_FAULT), ("failed", OWN_FAULT))
"""Turns that are shown as 0 before they occur: an alert looks at them."""


def observe_lanes(lanes: Lanes) -> None:
    """Show how full the process is. Once a process."""
    observe(
        IN_FLIGHT, lambda: [(n, (rank,)) for rank, n in zip(RANKS, lanes.shares.held, strict=True)]
    )
    observe(SLOTS, single(lambda: lanes.slots))
    observe(WAITING, single(lambda: lanes.waiting))
    observe(WAITING_BYTES, single(lambda: lanes.waiting_bytes))
    observe(KNOWN, single(lambda: len(lanes)))
    observe(CIRCUITS, single(lambda: lanes.circuits_open))


def observe_remembered(remembered: Callable[[], int]) -> None:
    """Show how much is remembered. Once a process."""
    observe(REMEMBERED, single(remembered))


def observe_halt(halt: Halt) -> None:
    """Show whether sending is stopped. Once a process."""
    observe(STOPPED, single(lambda: int(halt.stopped)))


class Turns:
    """Counts turns as their outcomes are acknowledged. On one thread; it is hot."""

    def __init__(self) -> None:
        self.by_result: Counter[tuple[Value, ...]] = Counter(dict.fromkeys(ALWAYS, 0))
        """(result, reason) -> turns so far."""
        self._attempts: Counter[tuple[Value, ...]] = Counter()
        self._requests: dict[tuple[int | None, str | None], Series] = {}
        latency, stage = durations(LATENCY), durations(STAGE)
        self._first, self._later = latency.of("first"), latency.of("later")
        self._stages = {
            name: stage.of(name) for name in ("queue", "lane", "dns", "connect", "tls", "body")
        }
        observe(TURNS, lambda: [(n, key) for key, n in list(self.by_result.items())])
        observe(ATTEMPTS, lambda: [(n, key) for key, n in list(self._attempts.items())])

    def count(self, outcome: Outcome) -> None:
        """One more turn has ended."""
        result, attempt = outcome.result, outcome.attempt
        self.by_result[result, _reason(result, outcome.reason)] += 1
        if attempt is None:
            return
        number = outcome.attempt_number or 1
        self._attempts[_NUMBERS[min(number, 6)], result] += 1
        self._request(attempt).add(attempt.duration_ms / 1000)
        if outcome.timing is not None:
            self._parts(outcome.timing, attempt)
        if result == "succeeded" and outcome.kind not in _NOT_LIVE:
            ended_at_ms = attempt.started_at_ms + attempt.duration_ms
            delay_s = max(0, ended_at_ms - outcome.logged_at_ms) / 1000
            (self._first if number == 1 else self._later).add(delay_s)

    def _request(self, attempt: Attempt) -> Series:
        key = attempt.status, attempt.error
        found = self._requests.get(key)
        if found is None:
            failed = attempt.error or ""
            if attempt.status is not None and attempt.status >= 400:
                failed = str(_status(attempt.status))
            found = durations(REQUEST).of(_status(attempt.status), failed)
            self._requests[key] = found
        return found

    def _parts(self, timing: Timing, attempt: Attempt) -> None:
        stages = self._stages
        stages["queue"].add(max(0, timing.taken_at_ms - timing.queued_at_ms) / 1000)
        stages["lane"].add(max(0, attempt.started_at_ms - timing.taken_at_ms) / 1000)
        stages["body"].add(timing.body_ms / 1000)
        if timing.connect_ms is not None:
            stages["connect"].add(timing.connect_ms / 1000)
            stages["dns"].add((timing.dns_ms or 0) / 1000)
            stages["tls"].add((timing.tls_ms or 0) / 1000)


_CODES = {code.value for code in HTTPStatus}
_NOT_LIVE = TRIALS | {"replay", "release", "resend"}
_NUMBERS = {1: "1", 2: "2", 3: "3-5", 4: "3-5", 5: "3-5", 6: "6+"}


def _status(status: int | None) -> Value:
    """Codes that nobody has registered by their class: receivers choose them."""
    if status is None or status in _CODES:
        return status or ""
    return f"{status // 100}xx"


@lru_cache(maxsize=4096)
def _reason(result: str, reason: str | None) -> str:
    """In a word of a small set: a lane, which is somebody's, is not a reason; codes by class."""
    if reason is None or result == "rekeyed":
        return ""
    if reason.startswith("http_"):
        return "http_429" if reason == "http_429" else f"{reason[:6]}xx"
    return reason
