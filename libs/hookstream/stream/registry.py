"""A Confluent-compatible schema registry: ids for the schemas we write, schemas for ids we read.

Three requests of its HTTP API (Confluent: *Schema Registry API Reference*), asked at the start and
for ids nobody has met before; never per record. Subjects are named by topic
(`<topic>-value`), compatibility is FULL_TRANSITIVE: versions before and after work side by side.
"""

from typing import Any, ClassVar

import httpx2
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from hookstream.model import records
from hookstream.stream import schemas
from hookstream.stream.codec import RegistryUnavailable
from hookstream.stream.schemas import WriterSchema
from hookstream.stream.topics import DEAD, DELIVERIES, EVENTS, OUTCOMES

NUMBERED: dict[type[Struct], str] = {
    records.Event: EVENTS,
    records.Delivery: DELIVERIES,
    records.Outcome: OUTCOMES,
    records.Dead: DEAD,
}
"""What is written by number where there is a registry, and the topic that names its subject. The
config topic never is: it must be readable without one."""
_JSON = "application/vnd.schemaregistry.v1+json"


class RegistrySettings(BaseModel):
    """Where the schema registry is, if there is one."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    section: ClassVar[str] = "registry"

    url: str | None = Field(
        None, pattern="^https?://", description="a Confluent-compatible registry; none: not used"
    )
    username: str | None = Field(None, description="who we are to it, by basic authentication")
    password: SecretStr | None = Field(None, description="its password")
    timeout_s: float = Field(5.0, gt=0, le=30, description="how long one request may take")


class Incompatible(Exception):
    """The registry refuses a schema of ours: what it has under that subject does not go with it."""


class SchemaRegistry:
    """Speaks to the registry at `settings.url`. Raises RegistryUnavailable while it is away."""

    def __init__(self, settings: RegistrySettings, topic_prefix: str) -> None:
        password = settings.password.get_secret_value() if settings.password else ""
        self._prefix = topic_prefix
        self._client = httpx2.Client(
            base_url=settings.url or "",
            auth=(settings.username, password) if settings.username else None,
            headers={"content-type": _JSON, "accept": _JSON},
            timeout=settings.timeout_s,
            trust_env=False,
        )

    def register(self, cls: type[Struct]) -> int:
        """The id of what we write `cls` with; registered if it was not. Raises Incompatible."""
        subject = f"{self._prefix}{NUMBERED[cls]}-value"
        self._ask("PUT", f"/config/{subject}", {"compatibility": "FULL_TRANSITIVE"})
        body = {"schema": schemas.current(cls).text}
        answer = self._ask("POST", f"/subjects/{subject}/versions", body)
        if answer.status_code in (409, 422):
            raise Incompatible(f"{subject}: {answer.text[:500]}")
        return int(_read(answer)["id"])

    def schema(self, schema_id: int) -> WriterSchema | None:
        """The schema with this id; None if the registry knows none, or it is no Avro schema."""
        answer = self._ask("GET", f"/schemas/ids/{schema_id}", None)
        if answer.status_code == 404:
            return None
        try:
            return schemas.parse(_read(answer)["schema"])
        except ValueError:
            return None

    def subjects(self) -> list[str]:
        """All that it has."""
        return [str(name) for name in _read(self._ask("GET", "/subjects", None))]

    def close(self) -> None:
        """Let its connections go."""
        self._client.close()

    def _ask(self, method: str, path: str, body: Any) -> httpx2.Response:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx2.TransportError as error:
            raise RegistryUnavailable(f"schema registry: {error or type(error).__name__}") from None
        if answer.status_code >= 500 or answer.status_code in (401, 403, 429):
            said = f"{answer.status_code} to {method} {path}"
            raise RegistryUnavailable(f"schema registry answers {said}: {answer.text[:200]}")
        return answer


def _read(answer: httpx2.Response) -> Any:
    try:
        answer.raise_for_status()
        return answer.json()
    except (httpx2.HTTPStatusError, ValueError) as error:
        raise RegistryUnavailable(f"schema registry: {error}") from None
