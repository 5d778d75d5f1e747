"""What travels between the services: one class a record, one Avro schema a class (`schemas/`).

Times are whole milliseconds since the epoch and end in `_at_ms`; durations end in `_ms`.
Every record is an immutable value. Fields with a default were added later or may be absent.
A value holds no cycle, so the collector is told to leave it alone (`gc=False`): thousands are in
flight at a time, and it would look at each of them again and again.
"""

from typing import Final, Literal

from msgspec import Struct

from hookstream.model.policy import Policy

Kind = Literal["event", "test", "verify", "replay", "release", "resend"]
"""Why a delivery exists: routed from an event, or asked for by a person or a rule."""

TRIALS: frozenset[Kind] = frozenset({"test", "verify"})
"""Kinds that only try a webhook, in whatever state it is: one request, no retry, no disabling, out
of the statistics (W3, W10)."""

Result = Literal[
    "succeeded",  # final: the receiver took it
    "waiting",  # final for the deliverer: the receiver will say later by callback
    "retrying",  # the next turn stands in `next_due_at_ms`
    "deferred",  # no request was made; the next turn stands in `next_due_at_ms`
    "rekeyed",  # no request was made; the next turn goes straight to another lane
    "parked",  # final: waits in Postgres for a paused or disabled webhook
    "failed",  # final: the policy gave up
    "cancelled",  # final: the webhook was deleted, or a person cancelled the delivery
    "superseded",  # settles nothing: this deliverer lost the partition before it could finish
    "conflict",  # settles nothing: the same event id came with another payload
]

FINAL: frozenset[Result] = frozenset({"succeeded", "waiting", "parked", "failed", "cancelled"})
SUCCEEDED_BY: frozenset[Result] = frozenset({"retrying", "deferred", "rekeyed"})
"""Results that are followed by one more turn of the same delivery."""
UNSETTLED: frozenset[Result] = frozenset({"superseded", "conflict"})

BY_HAND = "by_hand"
"""Why a delivery was cancelled that a person took back."""
OWN_FAULT: Final = "fault"
"""Why a turn was put off, or has failed, that met a fault of Hookstream's own."""

WebhookState = Literal["active", "paused", "disabled", "unverified", "deleted"]
UnknownTypes = Literal["accept", "refuse", "register"]
Role = Literal["producer", "viewer", "editor", "admin"]


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened, known by (workspace, id). `data` is JSON, never re-encoded."""

    workspace: str
    id: str
    type: str
    created_at_ms: int
    data: bytes
    source: str | None = None
    subject: str | None = None
    webhook: str | None = None
    """System name of the one webhook this event is addressed to, whatever that subscribes to."""


class Attempt(Struct, frozen=True, kw_only=True, gc=False):
    """One HTTP request in short, as a delivery carries it from turn to turn."""

    started_at_ms: int
    duration_ms: int
    status: int | None = None
    error: str | None = None
    """An `ErrorKind` when no status arrived in time."""


class Delivery(Struct, frozen=True, kw_only=True, gc=False):
    """One event for one webhook, at one turn. Carries all that the next turn needs."""

    id: str
    kind: Kind = "event"
    turn: int
    webhook: str
    webhook_version: int
    lane: str
    event: Event
    due_at_ms: int
    give_up_at_ms: int
    logged_at_ms: int
    """Kafka's append time of the event (or the time of the request for it): the day of its rows."""
    attempts: tuple[Attempt, ...] = ()
    deferred_since_ms: int | None = None
    """Since when this turn has been put off; None where it has not."""
    reason: str | None = None
    """Why this turn was put off or is a retry, in a word."""


class Response(Struct, frozen=True, kw_only=True, gc=False):
    """What the receiver answered, cut to what the log keeps."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    truncated: bool = False


class Timing(Struct, frozen=True, kw_only=True, gc=False):
    """Which points a turn with a request passed, for whoever asks why a delivery was late."""

    first_due_at_ms: int
    due_at_ms: int
    """Later than the first where the turn was put off."""
    put_off_for: str | None = None
    """Why it was put off, or why it is a retry, in a word."""
    queued_at_ms: int
    """When it stood on the topic of deliveries."""
    taken_at_ms: int
    """When the deliverer looked at it; from then to its request it waited for its lane."""
    dns_ms: int | None = None
    """None, like the next two: the connection was there already."""
    connect_ms: int | None = None
    tls_ms: int | None = None
    body_ms: int = 0
    """From the status and headers to the end of the answer."""


class Outcome(Struct, frozen=True, kw_only=True, gc=False):
    """How one turn ended and what comes next: the log that everything else follows from."""

    workspace: str
    delivery: str
    kind: Kind = "event"
    turn: int | None
    """None: not a turn of the deliverer (a callback, a release, a discard); settles none."""
    webhook: str
    webhook_version: int
    lane: str
    event: str
    event_type: str
    subject: str | None = None
    result: Result
    reason: str | None = None
    logged_at_ms: int
    ended_at_ms: int
    next_due_at_ms: int | None = None
    attempt_number: int | None = None
    """From 1; None where no request was made."""
    attempt: Attempt | None = None
    error_detail: str | None = None
    """What a person can act on, in words; never an internal address."""
    response: Response | None = None
    trace_id: str | None = None
    stated_reason: str | None = None
    """`reason` of the receiver's answer or callback, for end users (P5)."""
    values: bytes | None = None
    """What the webhook extracts from answers, a JSON object; None where it extracts nothing."""
    values_note: str | None = None
    """Why values are missing, in words."""
    waits_until_ms: int | None = None
    """Of a waiting delivery: until when a callback may close it."""
    timing: Timing | None = None
    """None where no request was made."""


class Header(Struct, frozen=True, kw_only=True, gc=False):
    """One HTTP header that a webhook adds. A private one has its value sealed, else in clear."""

    name: str
    value: bytes
    private: bool = False
    owner: str | None = None
    """Id of the integration it is inherited from and sealed for; None: the webhook's own."""
    dynamic: bool = False
    """Whether the value, sealed or not, is a template (M6)."""


class Webhook(Struct, frozen=True, kw_only=True, gc=False):
    """A subscription, compiled: all that router and deliverer need, secrets sealed."""

    id: str
    workspace: str
    version: int
    name: str
    state: WebhookState
    url: str
    method: str = "POST"
    events: tuple[str, ...] = ("*",)
    """Event types; a trailing `*` stands for any ending, `*` alone for all."""
    lane: str
    policy: Policy
    secrets: tuple[bytes, ...] = ()
    """Sealed; the first signs first, more than one while a rotation lasts."""
    headers: tuple[Header, ...] = ()
    content_type: str | None = "application/json"
    rate_per_s: float | None = None
    """Requests a second for the whole lane; None: as many as the receiver takes."""
    max_in_flight: int = 128
    """Ceiling of the limit on requests in flight to this webhook."""
    send_traceparent: bool = False
    secrets_until_ms: tuple[int, ...] = ()
    """Beside `secrets`: until when each signs; 0, or absent: without end."""
    sources: tuple[str, ...] = ()
    """Only events of these sources; empty: of any (O3)."""
    template: str | None = None
    """Liquid template of the body; None: the policy's envelope."""
    dynamic: bool = False
    """Whether URL or headers hold templates too, and so are rendered for each request."""
    properties: bytes | None = None
    """Custom properties, a JSON object, sent beside the data (P1)."""
    extract: dict[str, str] = {}
    """Values taken out of answers: name → JMESPath (M8)."""
    shards: int = 1
    """Into how many lanes it is cut, by subject."""
    was_verified: bool = False
    """It has answered a verification before: while it must do so again, its events wait for it."""


class EventType(Struct, frozen=True, kw_only=True, gc=False):
    """A named kind of event in a workspace's catalogue."""

    workspace: str
    name: str
    version: int
    group: str | None = None
    description: str | None = None
    json_schema: bytes | None = None
    sample: bytes | None = None
    state: Literal["active", "deleted"] = "active"


class ApiKey(Struct, frozen=True, kw_only=True, gc=False):
    """A key as services know it: the SHA-256 of the secret, never the secret."""

    id: str
    workspace: str
    version: int
    role: Role
    sha256: bytes
    state: Literal["active", "deleted"] = "active"


class Workspace(Struct, frozen=True, kw_only=True, gc=False):
    """A tenant."""

    id: str
    version: int
    name: str
    state: Literal["active", "deleted"] = "active"
    unknown_types: UnknownTypes = "accept"
    """What to do with an event whose type is not in the catalogue."""


class Cancellation(Struct, frozen=True, kw_only=True, gc=False):
    """That a person cancelled one delivery: its next turn ends without a request."""

    workspace: str
    delivery: str
    version: int = 1
    at_ms: int


class SchemaNote(Struct, frozen=True, kw_only=True, gc=False):
    """An Avro schema by its fingerprint: a reader older than its writer can read by it."""

    fingerprint: str
    text: str
    registry_ids: tuple[int, ...] = ()
    """Its ids in a schema registry, so that its records are read while that is away."""


class GroupNote(Struct, frozen=True, kw_only=True, gc=False):
    """That a consumer group has started once, and on how many partitions of each topic."""

    group: str
    partitions: dict[str, int]


class Growth(Struct, frozen=True, kw_only=True, gc=False):
    """One raise of N. What stands in partition p now stood in p mod `partitions` before."""

    partitions: int
    """N before."""
    ends: tuple[int, ...]
    """Of outcomes, by partition: where they ended when N was raised."""


class TopicsNote(Struct, frozen=True, kw_only=True, gc=False):
    """N: into how many partitions the keyed topics are cut. Another count is 'not ready'."""

    partitions: dict[str, int]
    growing: dict[str, int] = {}
    """Counts that a resize under way leads to: nothing writes deliveries meanwhile."""
    growth: tuple[Growth, ...] = ()
    """Every raise of N so far, oldest first."""


class SendingNote(Struct, frozen=True, kw_only=True, gc=False):
    """Whether a person has stopped all sending."""

    stopped: bool
    since_ms: int
    reason: str | None = None


ConfigRecord = (
    Webhook
    | EventType
    | ApiKey
    | Workspace
    | Cancellation
    | SchemaNote
    | GroupNote
    | TopicsNote
    | SendingNote
)


class Dead(Struct, frozen=True, kw_only=True, gc=False):
    """What could not be read or had to be refused, and why. `raw` may be cut to 1 MiB."""

    topic: str
    partition: int
    offset: int
    reason: str
    """A `Refusal` code or `undecodable` …; stable, for machines."""
    detail: str
    at_ms: int
    workspace: str | None = None
    event: str | None = None
    event_type: str | None = None
    key: bytes | None = None
    raw: bytes = b""
    truncated: bool = False
