"""What is said about integrations, in and out."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from hookstream.store.integrations import IntegrationRow
from services.console.api.webhook_bodies import HeaderOut, Headers, Rate, Shards, Url, header_out
from services.console.bodies import Body

Name = Annotated[str, Field(min_length=1, max_length=128)]


class IntegrationIn(Body):
    """A new integration: what several webhooks have in common."""

    name: Name
    root_url: Annotated[Url, Field(description="What the URLs of all its webhooks begin with")]
    headers: Headers = Field(default_factory=list, description="Inherited by all its webhooks")
    rate_per_s: Rate | None = Field(
        default=None, description="Requests a second of all its webhooks together; null: no limit"
    )
    shards: Shards = Field(default=1, description="Into how many lanes they are cut, by subject")


class IntegrationChange(Body):
    """What is to change of an integration; absent fields stay as they are."""

    version: int | None = None
    name: Name | None = None
    root_url: Url | None = None
    headers: Headers | None = None
    rate_per_s: Rate | None = None
    shards: Shards | None = None

    @model_validator(mode="after")
    def _not_null(self) -> "IntegrationChange":
        for name in {"name", "root_url", "headers", "shards"} & self.model_fields_set:
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null: leave it out to keep it")
        return self


class IntegrationOut(BaseModel):
    """An integration. Values of private headers are null."""

    id: str
    version: int
    name: str
    root_url: str
    headers: list[HeaderOut]
    rate_per_s: float | None
    shards: int
    created_at: datetime | None
    changed_at: datetime | None
    publishing: bool = False


def shown(row: IntegrationRow, published: bool = True) -> IntegrationOut:
    """An integration, as the API shows it: what is sealed is not there."""
    fields = IntegrationOut.model_fields
    same = {f: getattr(row, f) for f in fields if f in row.__struct_fields__ and f != "headers"}
    headers = [header_out(header) for header in row.header_list()]
    return IntegrationOut(**same, headers=headers, publishing=not published)
