"""One turn on its way through the deliverer: its record, its request, its spans."""

import asyncio

from opentelemetry.util.types import AttributeValue

from hookstream.model.records import Delivery, Webhook
from hookstream.process import tracing
from hookstream.process.tracing import Span
from hookstream.stream.record import Record
from services.deliverer.endpoint import Turn
from services.deliverer.lanes import turn_of

_UNSENT = tracing.Inert(None)


class Passage:
    """A turn from its record to its settlement. Lives on the asyncio thread only."""

    __slots__ = (
        "delivery",
        "hash",
        "record",
        "settling",
        "span",
        "started_at_ms",
        "taken_at_ms",
        "task",
        "turn",
        "webhook",
    )

    def __init__(self, record: Record, delivery: Delivery, hash_: str) -> None:
        self.record = record
        self.delivery = delivery
        self.hash = hash_
        self.webhook: Webhook | None = None
        self.turn: Turn
        self.task: asyncio.Task[None] | None = None
        self.taken_at_ms = 0
        self.started_at_ms: int | None = None
        self.span: Span = _UNSENT
        self.settling = False
        """Its outcome is being written."""

    @property
    def traceparent(self) -> bytes | None:
        """What follows from this turn belongs to this trace, or is linked to it."""
        return self.span.traceparent or self.record.headers.get("traceparent")

    @property
    def trace_id(self) -> str | None:
        """For the log; None where the event came without a trace."""
        header = self.traceparent
        return header[3:35].decode() if header else None

    @property
    def is_waiting(self) -> bool:
        """Neither sent nor settled: nothing has happened yet that anybody could see."""
        return self.started_at_ms is None and not self.settling

    @property
    def may_go(self) -> bool:
        """Whether this turn is still ours to execute."""
        return self.record.assignment.alive and not self.record.assignment.state.closing

    def may_be_written(self) -> bool:
        """Whether nobody else can have sent this turn meanwhile. In this order: the loop's thread
        is in no doubt any more only after it has noted what was lost."""
        assignment = self.record.assignment
        return bool(assignment.state.steady()) and assignment.alive

    def enter(self, webhook: Webhook, now_ms: int) -> None:
        """Take the webhook as it is now."""
        self.webhook = webhook
        self.taken_at_ms = now_ms
        since_ms = self.record.assignment.state.since_ms
        self.turn = turn_of(webhook, self.delivery, self.record.size, self, since_ms)

    def leave(self) -> None:
        """It is over: let go of what points back here, so that nothing waits for a collector."""
        if self.webhook is not None:
            self.turn.context = None
        self.task = None

    def begin_request(self) -> Span:
        """The client span of this turn's request: the first attempt in the event's own trace,
        later ones each a new trace linked to the one before."""
        incoming = self.record.headers.get("traceparent")
        if not tracing.sampled(incoming):
            self.span = tracing.Inert(incoming)
            return self.span
        name = self.turn.webhook.method
        attributes: dict[str, AttributeValue] = {
            "http.request.method": name,
            "http.request.resend_count": len(self.delivery.attempts),
            "hookstream.webhook": self.delivery.webhook,
            "hookstream.delivery": self.delivery.id,
            "hookstream.turn": self.delivery.turn,
        }
        if self.delivery.turn == 1:
            self.span = tracing.span(name, tracing.CLIENT, incoming, (), attributes)
        else:
            self.span = tracing.root_span(name, tracing.CLIENT, incoming, (incoming,), attributes)
        return self.span

    def end_request(self, status: int | None, error: str | None) -> None:
        """The request is over."""
        if self.span.recording:
            if status is not None:
                self.span.set("http.response.status_code", status)
            self.span.end(error or (f"{status}" if status is not None and status >= 400 else None))
