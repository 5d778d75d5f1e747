"""For programs that publish: over HTTP, or straight into Kafka. Both take the same arguments.

    with HttpPublisher("http://127.0.0.1:8801", key="hk_…") as events:
        event_id = events.publish("contact.created", {"name": "Ada"}, subject="contact/7")

An event has its id before it is sent, so whoever is unsure whether it arrived sends it again with
that id: the same id is never delivered twice.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from os import urandom
from typing import Any, Self

import httpx2
import msgspec
from msgspec import Raw

from hookstream.model.checks import MAX_DATA, check_data, check_fields
from hookstream.model.errors import Refusal
from hookstream.model.ids import event_id, event_key
from hookstream.model.records import Event
from hookstream.stream.codec import Codec
from hookstream.stream.settings import KafkaSettings
from hookstream.stream.topics import EVENTS
from hookstream.stream.writer import Ack, Full, Headers, Writer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRIES = 3
_PAUSE_S = 0.5


class NotPublished(Exception):
    """The event was refused: repeating it as it is will not do. Says which field, and what would.

    code: stable, for machines. status: of the HTTP answer, 0 where there was none.
    """

    def __init__(self, code: str, detail: str, *, field: str = "", hint: str = "", status: int = 0):
        super().__init__(f"{detail} ({hint})" if hint else detail)
        self.code, self.field, self.hint, self.status = code, field, hint, status


class Unknown(Exception):
    """Nobody confirmed the event in time. Publish it again with `event_id`, now or much later."""

    def __init__(self, event_id: str, detail: str) -> None:
        super().__init__(f"{event_id}: {detail}")
        self.event_id = event_id


class HttpPublisher:
    """Publishes by `POST /v1/events`. Keeps connections open; threads may share it.

    timeout_s: for one request; ingest itself answers within ten seconds. What stays unconfirmed
    (no connection, 429, 5xx) is sent three times in all, with one id.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_s: float = 15.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._client = httpx2.Client(
            base_url=url, headers=headers, timeout=timeout_s, transport=transport
        )

    def publish(
        self,
        type: str,
        data: Any,
        *,
        id: str | None = None,
        source: str | None = None,
        subject: str | None = None,
        created_at: datetime | None = None,
        webhook: str | None = None,
        traceparent: str | None = None,
    ) -> str:
        """Return the event's id once Kafka has it; else `NotPublished` or `Unknown`.

        data: anything JSON can say, or JSON as bytes, which then arrive as they are.
        subject: what it is about; the events of one subject stay in order on the topic.
        webhook: system name of the one webhook to send it to, whatever that subscribes to.
        """
        event = id or _new_id()
        given = {"source": source, "subject": subject, "webhook": webhook, "created_at": created_at}
        body: dict[str, Any] = {"id": event, "type": type, "data": Raw(_json(data))}
        body |= {name: value for name, value in given.items() if value is not None}
        headers = {"traceparent": traceparent} if traceparent else {}
        self._send(event, msgspec.json.encode(body), headers)
        return event

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, event: str, body: bytes, headers: dict[str, str]) -> None:
        why = ""
        for number in range(_TRIES):
            if number:
                time.sleep(_PAUSE_S * number)
            try:
                answer = self._client.post("/v1/events", content=body, headers=headers)
            except httpx2.TransportError as error:
                why = f"no answer: {error!r}"
                continue
            if answer.is_success:
                return
            if answer.status_code != 429 and answer.status_code < 500:
                raise _refused(answer)
            why = f"answered {answer.status_code}"
        raise Unknown(event, why)


class KafkaPublisher:
    """Publishes by producing to the events topic. The router then checks what ingest would have.

    Refused at once is only what is wrong by itself (names, sizes, JSON); what needs configuration
    (unknown type, JSON Schema) goes to the dead topic and shows in the log.
    """

    def __init__(
        self, kafka: KafkaSettings | str, workspace: str, *, timeout_s: float = 10.0
    ) -> None:
        """kafka: settings, or just the bootstrap servers."""
        settings = kafka if isinstance(kafka, KafkaSettings) else _servers(kafka)
        self._workspace = workspace
        self._codec = Codec()
        self._fatal: list[str] = []
        self._writer = Writer(
            settings,
            "hookstream-client",
            on_fatal=self._fatal.append,
            timeout_ms=int(timeout_s * 1000),
        )

    def publish(self, type: str, data: Any, **more: Any) -> str:
        """`send`, and wait: the event's id once Kafka has it."""
        return self.send(type, data, **more).result()

    def send(
        self,
        type: str,
        data: Any,
        *,
        id: str | None = None,
        source: str | None = None,
        subject: str | None = None,
        created_at: datetime | None = None,
        webhook: str | None = None,
        traceparent: str | None = None,
    ) -> "Future[str]":
        """Queue an event; the future has its id, or `Unknown`. Arguments as `HttpPublisher` has.

        Raises `NotPublished` at once for what is wrong by itself.
        """
        event = Event(
            workspace=self._workspace,
            id=id or _new_id(),
            type=type,
            created_at_ms=_ms(created_at),
            data=_json(data),
            source=source,
            subject=subject,
            webhook=webhook,
        )
        if refusal := check_fields(event) or check_data(event.data, MAX_DATA):
            raise _by_check(refusal)
        future: Future[str] = Future()
        self._produce(event, traceparent, _settling(future, event.id))
        return future

    def close(self, timeout_s: float = 10.0) -> bool:
        """Wait for what is queued; False if time ran out first."""
        return self._writer.close(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _produce(self, event: Event, trace: str | None, on_ack: Callable[[Ack], None]) -> None:
        headers: Headers = [("traceparent", trace)] if trace else []
        try:
            value = self._codec.encode(event)
            self._writer.produce(EVENTS, value, on_ack, key=event_key(event), headers=headers)
        except Full:
            raise Unknown(event.id, "more waits for Kafka than may: slow down") from None


def _settling(future: "Future[str]", event: str) -> Callable[[Ack], None]:
    def answered(ack: Ack) -> None:
        if ack.refused is None:
            future.set_result(event)
        else:
            future.set_exception(Unknown(event, f"Kafka did not take it: {ack.refused.value}"))

    return answered


def _new_id() -> str:
    return event_id(time.time_ns() // 1_000_000, urandom(10))


def _json(data: Any) -> bytes:
    return data if isinstance(data, bytes) else msgspec.json.encode(data)


def _ms(at: datetime | None) -> int:
    if at is None:
        return time.time_ns() // 1_000_000
    if at.tzinfo is None:
        detail, hint = "created_at has no time zone", "datetime.now(UTC) has one"
        raise NotPublished("invalid_created_at", detail, field="created_at", hint=hint)
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _servers(bootstrap_servers: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=bootstrap_servers)


def _by_check(refusal: Refusal) -> NotPublished:
    return NotPublished(refusal.code, refusal.detail, field=refusal.field, hint=refusal.hint)


def _refused(answer: httpx2.Response) -> NotPublished:
    try:
        told = answer.json()
        code, detail = str(told["code"]), str(told["detail"])
    except (ValueError, KeyError, TypeError):
        return NotPublished("http", f"answered {answer.status_code}", status=answer.status_code)
    field, hint = str(told.get("field", "")), str(told.get("hint", ""))
    return NotPublished(code, detail, field=field, hint=hint, status=answer.status_code)
