"""Delivery rules as data. A product's promises are a `Policy` value; code knows no product."""

from typing import Literal

from msgspec import Struct

DAY_MS = 86_400_000

ResultClass = Literal["status", "timeout", "connection"]
"""How a request failed: with an answer, in silence, or without a connection."""


class Codes(Struct, frozen=True, kw_only=True):
    """HTTP status codes from `first` to `last`, both included."""

    first: int
    last: int

    def __contains__(self, status: object) -> bool:
        return isinstance(status, int) and self.first <= status <= self.last


class Schedule(Struct, frozen=True, kw_only=True):
    """When to try again, counted from the end of the attempt before.

    `list`: the given delays, then no more. `fixed`: the first delay, always.
    `exponential`: first · factor^(N-1). `polynomial`: first + N^power units, N = attempts made.
    """

    kind: Literal["list", "fixed", "exponential", "polynomial"] = "list"
    delays_ms: tuple[int, ...] = ()
    factor: float = 2.0
    power: int = 4
    max_delay_ms: int = DAY_MS
    max_requests: int = 1
    """Requests in all, the first one included."""
    jitter: float = 0.0
    """Each delay is stretched by up to this share of itself, by a hash of (delivery, turn)."""
    window_ms: int | None = None
    """No attempt begins later than this after the start of the first; None: no window."""
    unit_ms: float = 1_000.0
    """What N^power counts."""


Envelope = Literal["standard", "full", "data", "linked"]
"""`standard`: type, timestamp, data. `full`: id, type, created_at, workspace_id, data. `data`: the
event's data alone. `linked`: data, the webhook's own properties, and `meta.link` to call back."""

Scheme = Literal["standard", "standard_v1a", "sha256", "secret", "none"]


class Signature(Struct, frozen=True, kw_only=True):
    """How requests are signed.

    `standard`: Standard Webhooks v1 (HMAC). `standard_v1a`: the same by ed25519. `sha256`: hex HMAC
    of the body. `secret`: the header carries the secret itself.
    """

    scheme: Scheme = "standard"
    header: str = "webhook-signature"
    prefix: str = ""


class Verification(Struct, frozen=True, kw_only=True):
    """A webhook is `unverified`, and gets nothing, until it has answered an event of this type."""

    event_type: str = "endpoint.verify"
    success: tuple[Codes, ...] = (Codes(first=200, last=200),)


class Policy(Struct, frozen=True, kw_only=True):
    """Delivery rules of one product or workspace, versioned."""

    id: str
    version: int = 1
    name: str
    success: tuple[Codes, ...] = (Codes(first=200, last=299),)
    waiting: tuple[Codes, ...] = ()
    """Codes after which the receiver closes the delivery later by callback."""
    deadline_ms: int = 15_000
    """For the whole request, to status and headers."""
    retry_codes: tuple[Codes, ...] = (Codes(first=100, last=599),)
    """Codes, other than success, that are retried; the rest is final."""
    retry_on: tuple[ResultClass, ...] = ("status", "timeout", "connection")
    schedule: Schedule = Schedule()
    retry_after: bool = True
    """Whether a receiver's Retry-After may move the next attempt later (never earlier)."""
    retry_after_max_ms: int = DAY_MS
    gone_codes: tuple[Codes, ...] = (Codes(first=410, last=410),)
    """Codes that end the delivery at once and disable the webhook."""
    disable_after_failed_ms: int | None = None
    """Disable a webhook that has only failed for this long."""
    disable_after_exhausted: bool = False
    """Disable a webhook when one delivery has used up its attempts."""
    give_up_after_ms: int = DAY_MS
    """Added to the schedule's own length: later than this a delivery ends as failed, `expired`."""
    exact: bool = False
    """Promised delays are kept to the letter: cool-downs do not defer."""
    signature: Signature = Signature()
    envelope: Envelope = "standard"
    manual_retry: bool = True
    https_only: bool = False
    state_names: dict[str, str] = {}
    """What people see instead of our own names of states. A key is a state (`failed`), or a state
    and the reason for it (`failed:rejected`), which goes first (F2)."""
    retry_needs_transaction_id: bool = False
    """Retry only requests into which the transaction id was rendered (M6)."""
    most_requests: int | None = None
    """Webhooks may choose a fixed delay and up to so many requests; None: they may not (P6)."""
    waiting_ms: int = 5 * DAY_MS
    """How long a waiting delivery may be closed by callback; then it has failed, `expired`."""
    verification: Verification | None = None
    log_tests: bool = True
    """Whether tests are shown in the log."""

    def state_name(self, state: str, reason: str | None = None) -> str:
        """What people see of a delivery in this state, for this reason."""
        names = self.state_names
        return names.get(f"{state}:{reason}") or names.get(state, state)
