"""A policy's fields as people give them; the rules themselves are model/policy.py."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from hookstream.model.checks import is_type
from hookstream.model.policy import DAY_MS, Envelope, Policy, ResultClass, Schedule, Scheme
from hookstream.model.records import Result
from hookstream.model.schedule import schedule_length_ms
from hookstream.model.signing import check_signature
from services.console.bodies import Body
from services.console.problems import Problem, must

Status = Annotated[int, Field(ge=100, le=599)]
Milliseconds = Annotated[int, Field(ge=0, le=30 * DAY_MS)]
_NULLABLE = {"version", "disable_after_failed_ms", "most_requests", "verification"}
"""Fields whose null means none; null for another is refused."""
LONGEST_MS = 6 * DAY_MS
"""No delivery lasts longer: its records are kept for seven days."""


class CodesIn(Body):
    """HTTP status codes, both ends included; a number alone stands for itself."""

    first: Status
    last: Status

    @model_validator(mode="before")
    @classmethod
    def _single(cls, value: Any) -> Any:
        return {"first": value, "last": value} if isinstance(value, int) else value

    @model_validator(mode="after")
    def _in_order(self) -> "CodesIn":
        if self.first > self.last:
            raise ValueError("first is above last")
        return self


Codes = Annotated[list[CodesIn], Field(max_length=50)]


class ScheduleIn(Body):
    """When to try again, from the end of the attempt before. `max_requests` counts the first."""

    kind: Literal["list", "fixed", "exponential", "polynomial"] = "list"
    delays_ms: Annotated[list[Milliseconds], Field(max_length=100)] = Field(default_factory=list)
    factor: Annotated[float, Field(ge=1, le=100)] = 2.0
    power: Annotated[int, Field(ge=1, le=10)] = 4
    max_delay_ms: Annotated[int, Field(ge=1, le=5 * DAY_MS)] = DAY_MS
    max_requests: Annotated[int, Field(ge=1, le=100)] | None = None
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.0
    window_ms: Annotated[int, Field(ge=1, le=5 * DAY_MS)] | None = None
    unit_ms: Annotated[float, Field(gt=0, le=DAY_MS)] = 1_000.0

    @model_validator(mode="after")
    def _says_how_long_and_how_often(self) -> "ScheduleIn":
        if self.kind == "list":
            return self
        if not self.delays_ms and (self.max_requests or 1) > 1:
            raise _lacking(self.kind, "delays_ms", "such as [60000]")
        if self.delays_ms and self.max_requests is None:
            raise _lacking(self.kind, "max_requests", "the first request counts")
        return self

    def made(self) -> Schedule:
        """The schedule; of a list, as many requests as it has delays, and one, if not said."""
        most = len(self.delays_ms) + 1 if self.kind == "list" else 1
        given = self.model_dump(exclude={"max_requests", "delays_ms"})
        return Schedule(
            **given, delays_ms=tuple(self.delays_ms), max_requests=self.max_requests or most
        )


def _lacking(kind: str, field: str, hint: str) -> PydanticCustomError:
    told = {"kind": kind, "name": field, "hint": hint}
    return PydanticCustomError("missing", "a schedule of the kind {kind} needs {name}", told)


class SignatureIn(Body):
    """How requests are signed."""

    scheme: Scheme = "standard"
    header: Annotated[str, Field(max_length=128)] = "webhook-signature"
    prefix: Annotated[str, Field(max_length=64, pattern=r"^[\x20-\x7e]*$")] = ""


class VerificationIn(Body):
    """A webhook gets nothing until it has answered an event of this type."""

    event_type: Annotated[str, Field(min_length=1, max_length=128)] = "endpoint.verify"
    success: Codes = Field(default_factory=lambda: [CodesIn(first=200, last=200)])


StateName = Annotated[str, Field(min_length=1, max_length=64)]
StateNames = Annotated[
    dict[Annotated[str, Field(max_length=64)], StateName],
    Field(max_length=20, description="By state, such as `failed`, or `failed:rejected`"),
]


class PolicyChange(Body):
    """What is to change of a policy; absent fields stay as they are. Durations in milliseconds.

    Null is for what a policy may do without: `disable_after_failed_ms`, `most_requests`,
    `verification`.
    """

    version: int | None = None
    name: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    success: Codes | None = None
    waiting: Codes | None = None
    deadline_ms: Annotated[int, Field(ge=100, le=120_000)] | None = None
    retry_codes: Codes | None = None
    retry_on: list[ResultClass] | None = None
    schedule: ScheduleIn | None = None
    retry_after: bool | None = None
    retry_after_max_ms: Milliseconds | None = None
    gone_codes: Codes | None = None
    disable_after_failed_ms: Milliseconds | None = None
    disable_after_exhausted: bool | None = None
    give_up_after_ms: Milliseconds | None = None
    exact: bool | None = None
    signature: SignatureIn | None = None
    envelope: Envelope | None = None
    manual_retry: bool | None = None
    https_only: bool | None = None
    state_names: StateNames | None = None
    retry_needs_transaction_id: bool | None = None
    most_requests: Annotated[int, Field(ge=1, le=100)] | None = None
    waiting_ms: Annotated[int, Field(ge=1000, le=LONGEST_MS)] | None = None
    verification: VerificationIn | None = None
    log_tests: bool | None = None

    @model_validator(mode="after")
    def _not_null(self) -> "PolicyChange":
        for name in self.model_fields_set - _NULLABLE:
            if getattr(self, name) is None:
                told = {"name": name, "hint": "leave it out"}
                raise PydanticCustomError("not_null", "{name} cannot be null", told)
        return self


class PolicyIn(PolicyChange):
    """A new policy."""

    name: Annotated[str, Field(min_length=1, max_length=128)]


def checked(policy: Policy, body: PolicyChange) -> Policy:
    """`policy` with what `body` says. 422 where the whole makes no sense."""
    given = {name: _plain(getattr(body, name)) for name in body.model_fields_set - {"version"}}
    made = msgspec.convert(msgspec.to_builtins(policy) | given, Policy)
    if not made.success:
        raise Problem(422, "no_success", "no code would be a success", field="success")
    must(check_signature(made.signature))
    _known_states(made.state_names)
    if made.verification is not None and not is_type(made.verification.event_type):
        detail = "event_type is no name of an event type"
        hint = "such as endpoint.verify"
        raise Problem(422, "invalid_type", detail, field="verification.event_type", hint=hint)
    return _short_enough(made)


def _known_states(names: Mapping[str, str]) -> None:
    states = get_args(Result)
    for name in names:
        if name.partition(":")[0] not in states:
            hint = f"a state is one of {', '.join(states)}; `failed:rejected` adds a reason"
            detail = f"{name!r} is no state of a delivery"
            raise Problem(422, "unknown_state", detail, field="state_names", hint=hint)


def _plain(value: Any) -> Any:
    if isinstance(value, ScheduleIn):
        return msgspec.to_builtins(value.made())
    if isinstance(value, SignatureIn | VerificationIn):
        return value.model_dump()
    if isinstance(value, list):
        return [item.model_dump() if isinstance(item, Body) else item for item in value]
    return value


def _short_enough(policy: Policy) -> Policy:
    if schedule_length_ms(policy) > LONGEST_MS:
        detail = "the schedule lasts longer than 6 days, which is how long deliveries are kept"
        raise Problem(422, "schedule_too_long", detail, field="schedule", hint="shorten its delays")
    return policy
