"""What a run leaves behind, as values: the checker sees nothing else.

Times are in nanoseconds since the epoch.
"""

from typing import NamedTuple

from msgspec import Struct

Key = tuple[str, str]
"""(webhook's name, event id): one delivery."""
SECOND_NS = 1_000_000_000


class Request(NamedTuple):
    """One request as the receiver saw it."""

    key: Key
    by: str
    """The process that sent it, such as `deliverer-1#3`; empty where it cannot be told."""
    at_ns: int
    closed_ns: int | None
    """When it was answered, or given up by its sender; None: neither."""
    status: int | None
    """What was answered; None: nothing."""


class Attempted(NamedTuple):
    """One row of attempts in Postgres, or an outcome on its topic."""

    key: Key
    turn: int
    started_ms: int
    duration_ms: int
    status: int | None


class Ended(NamedTuple):
    """One row of deliveries in Postgres."""

    state: str
    attempts: int


class Fault(Struct, frozen=True, kw_only=True):
    """What was done, to whom, and when; `to_ns` is when it was over (back, started, continued)."""

    kind: str
    target: str
    from_ns: int
    to_ns: int
    open: int = 0
    """Requests that the receiver had open when it began."""

    @property
    def service(self) -> str:
        """Of which kind the target is: `deliverer-1#3` is a deliverer."""
        return self.target.partition("#")[0].partition("-")[0]


class Death(NamedTuple):
    """A process that ended without having been asked to."""

    by: str
    at_ns: int
    planned: bool
    words: str = ""
    """The end of its log, if it was not planned."""


class Move(NamedTuple):
    """Partitions that a deliverer lost (`lost`) or had to give back (`revoked`), by its own log."""

    by: str
    what: str
    at_ns: int


class Retry(NamedTuple):
    """A turn that was to be tried again, and when it was; None: never."""

    due_ns: int
    came_ns: int | None


class Logged(NamedTuple):
    """An outcome: when Kafka had it, and when it was seen to be in Postgres."""

    partition: int
    appended_ns: int
    logged_ns: int


class Evidence(Struct, kw_only=True):
    """All that the checker looks at."""

    session_s: float
    wanted: dict[Key, str]
    """Each delivery that was promised by an ack, and the state in which it must end."""
    sent_ns: dict[str, int]
    """When each event was first sent."""
    requests: list[Request]
    ended: dict[Key, Ended]
    attempted: list[Attempted]
    faults: list[Fault]
    deaths: list[Death]
    moves: list[Move]
    written: list[Attempted] = []
    """The attempts as they stand on the topic of outcomes."""
    retries: list[Retry] = []
    logged: list[Logged] = []
    prompt: frozenset[str] = frozenset()
    """Webhooks whose receiver answers at once: by them gaps are measured."""
    dead: int = 0
    """Records on the topic dead."""
