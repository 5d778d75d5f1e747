"""What is said about webhooks, in and out."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AliasChoices, BaseModel, Field, field_validator, model_validator

from hookstream.model.records import Header, WebhookState
from hookstream.store.integrations import IntegrationRow
from hookstream.store.webhooks import WebhookRow
from services.console.bodies import Body
from services.console.compile import full_url, headers_of
from services.console.fresh import now_ms
from services.console.rotation import held

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Url = Annotated[str, Field(max_length=2048)]
_URL = AliasChoices("url", "request_url")
Events = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=129)]], Field(min_length=1, max_length=200)
]
Rate = Annotated[float, Field(gt=0, le=10_000, description="Requests a second; null: no limit")]
InFlight = Annotated[int, Field(ge=1, le=1000, description="Requests open at once, at most")]
Secret = Annotated[str, Field(max_length=256)]
Text = Annotated[str, Field(max_length=2000)]


class HeaderIn(Body):
    """A header to add. A private value is sealed and never shown again; null keeps the saved.

    `inherited`: as a webhook shows its integration's headers; such a one is not taken as its own.
    """

    key: Annotated[str, Field(min_length=1, max_length=128)]
    value: Annotated[str, Field(max_length=4096)] | None = None
    private: bool = False
    inherited: bool = False


Headers = Annotated[list[HeaderIn], Field(max_length=32)]


class RetryIn(Body):
    """Retries of one's own, where the policy leaves them open. The first request counts."""

    delay_s: Annotated[float, Field(ge=0.1, le=86_400)]
    max_requests: Annotated[int, Field(ge=1, le=100)]


Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=50)]
Template = Annotated[str, Field(max_length=65_536)]
Extract = Annotated[
    dict[
        Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")],
        Annotated[str, Field(max_length=512)],
    ],
    Field(max_length=20, description="name → JMESPath into the answer's JSON"),
]
Shards = Annotated[int, Field(ge=1, le=64)]
_SOURCES = AliasChoices("sources", "source")


class _Shared(Body):
    """What a new webhook and a change say alike."""

    @field_validator("sources", mode="before", check_fields=False)
    @classmethod
    def _one_source(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("headers", mode="after", check_fields=False)
    @classmethod
    def _own(cls, value: list[HeaderIn] | None) -> list[HeaderIn] | None:
        return None if value is None else [header for header in value if not header.inherited]


class WebhookIn(_Shared):
    """A new webhook. With an `integration`, `url` is a part added to its root, or left out."""

    url: Url = Field(default="", validation_alias=_URL)
    name: str | None = Field(default=None, description="System name; made up if absent")
    display_name: Annotated[str, Field(max_length=128)] | None = None
    description: Text | None = None
    events: Events = Field(default_factory=lambda: ["*"])
    policy: str | None = Field(
        default=None, description="Its id; the workspace's default if absent"
    )
    method: Method = "POST"
    headers: Headers = Field(default_factory=list)
    content_type: Annotated[str, Field(max_length=256)] | None = None
    secret: Secret | None = Field(default=None, description="Made up where the policy signs")
    rate_per_s: Rate | None = None
    max_in_flight: InFlight = 128
    send_traceparent: bool = False
    state: Literal["active", "paused"] = "active"
    integration: str | None = None
    headers_off: Names = Field(default_factory=list, description="Inherited headers left out")
    sources: Names = Field(default_factory=list, validation_alias=_SOURCES)
    template: Template | None = Field(default=None, description="Liquid template of the body")
    properties: dict[str, Any] | None = None
    extract: Extract = Field(default_factory=dict)
    shards: Shards = 1
    retry: RetryIn | None = None


class WebhookChange(_Shared):
    """What is to change of a webhook; absent fields stay as they are."""

    version: int | None = None
    name: str | None = None
    url: Url | None = Field(default=None, validation_alias=_URL)
    display_name: Annotated[str, Field(max_length=128)] | None = None
    description: Text | None = None
    events: Events | None = None
    policy: str | None = None
    method: Method | None = None
    headers: Headers | None = None
    content_type: Annotated[str, Field(max_length=256)] | None = None
    secret: Secret | None = None
    rate_per_s: Rate | None = None
    max_in_flight: InFlight | None = None
    send_traceparent: bool | None = None
    integration: str | None = None
    headers_off: Names | None = None
    sources: Names | None = Field(default=None, validation_alias=_SOURCES)
    template: Template | None = None
    properties: dict[str, Any] | None = None
    extract: Extract | None = None
    shards: Shards | None = None
    retry: RetryIn | None = None

    @model_validator(mode="after")
    def _not_null(self) -> "WebhookChange":
        kept = {"url", "events", "policy", "method", "headers", "secret", "max_in_flight"}
        kept |= {"send_traceparent", "headers_off", "sources", "extract", "shards"}
        for name in kept & self.model_fields_set:
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null: leave it out to keep it")
        return self


class HeaderOut(BaseModel):
    """A header; `value` is null where it is private. `inherited`: from the integration (M5)."""

    key: str
    value: str | None
    private: bool
    inherited: bool = False


def header_out(header: Header) -> HeaderOut:
    """A header, as the API shows it."""
    value = None if header.private else header.value.decode("latin-1")
    inherited = header.owner is not None
    return HeaderOut(key=header.name, value=value, private=header.private, inherited=inherited)


class SigningKeyOut(BaseModel):
    """A secret that signs, without the secret."""

    until: datetime | None
    """When it ends; null: not yet said."""
    public_key: str | None
    """`whpk_…`, by which receivers check what an asymmetric secret signed."""


class WebhookOut(BaseModel):
    """A webhook. `secret` only in the answer that made it. `signing_keys`: newest first."""

    id: str
    version: int
    name: str
    display_name: str | None
    description: str | None
    state: WebhookState
    state_reason: str | None
    url: str
    full_url: str
    """Where requests go: the integration's root and `url`, or `url` itself (M1)."""
    method: str
    events: list[str]
    policy: str
    headers: list[HeaderOut]
    content_type: str | None
    rate_per_s: float | None
    max_in_flight: int
    send_traceparent: bool
    integration: str | None
    headers_off: list[str]
    sources: list[str]
    template: str | None
    properties: Any
    extract: dict[str, str]
    shards: int
    retry: RetryIn | None
    signing_keys: list[SigningKeyOut]
    created_at: datetime | None
    changed_at: datetime | None
    secret: str | None = None
    publishing: bool = False


def shown(
    row: WebhookRow,
    shared: IntegrationRow | None,
    published: bool = True,
    secret: str | None = None,
) -> WebhookOut:
    """A webhook with its integration, as the API shows it: what is sealed is not there."""
    same = {f: getattr(row, f) for f in WebhookOut.model_fields if f in row.__struct_fields__}
    told = {
        "full_url": full_url(row.url, shared),
        "headers": [header_out(header) for header in headers_of(row, shared)],
        "properties": None if row.properties is None else msgspec.json.decode(row.properties),
        "extract": msgspec.json.decode(row.extract),
        "retry": _retry(row),
        "signing_keys": _signing_keys(row),
    }
    return WebhookOut(**same | told, secret=secret, publishing=not published)


def _signing_keys(row: WebhookRow) -> list[SigningKeyOut]:
    return [
        SigningKeyOut(
            until=datetime.fromtimestamp(each.until_ms / 1000, UTC) if each.until_ms else None,
            public_key=each.public_key,
        )
        for each in held(row, now_ms())
    ]


def _retry(row: WebhookRow) -> RetryIn | None:
    if row.retry_delay_ms is None or row.retry_requests is None:
        return None
    return RetryIn(delay_s=row.retry_delay_ms / 1000, max_requests=row.retry_requests)
