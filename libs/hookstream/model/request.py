"""From a delivery to the bytes of its request: envelope, headers, signature."""

from datetime import UTC, datetime
from functools import lru_cache

import msgspec
from msgspec import Struct

from hookstream.model.opened import Opened
from hookstream.model.records import Delivery, Event, Webhook
from hookstream.model.signing import signature

USER_AGENT = b"Hookstream/0.1.0"

RawHeaders = list[tuple[bytes, bytes]]


class OutgoingRequest(Struct, frozen=True, kw_only=True):
    """One HTTP request, ready to be written. Its headers may hold secrets: never log it."""

    method: str
    url: str
    headers: RawHeaders
    body: bytes

    def __repr__(self) -> str:
        return f"OutgoingRequest({self.method}, {len(self.headers)} headers, masked)"


def request(
    webhook: Webhook,
    delivery: Delivery,
    opened: Opened,
    now_ms: int,
    traceparent: bytes | None = None,
) -> OutgoingRequest:
    """The request of one attempt, signed at `now_ms`. A GET has no body, and is signed as such."""
    event = delivery.event
    body = b"" if webhook.method == "GET" else render(webhook.policy.envelope, event)
    headers = _headers(webhook, opened, event.id.encode(), now_ms, body)
    if traceparent is not None and webhook.send_traceparent:
        headers.append((b"traceparent", traceparent))
    return OutgoingRequest(method=webhook.method, url=webhook.url, headers=headers, body=body)


def render(envelope: str, event: Event) -> bytes:
    """The body. The event's data is spliced in byte for byte: 1.10 stays 1.10 (W4).

    An event without data is a verification and has just type, id and created_at, whatever the
    envelope (W3).
    """
    created_at = iso(event.created_at_ms)
    if not event.data:
        names = _quoted(event.type), _quoted(event.id), created_at
        return b'{"type":%b,"id":%b,"created_at":"%b"}' % names
    if envelope == "data":
        return event.data
    if envelope == "standard":
        head = b'{"type":%b,"timestamp":"%b","data":' % (_quoted(event.type), created_at)
        return b"%b%b}" % (head, event.data)
    names = _quoted(event.id), _quoted(event.type), created_at
    head = b'{"id":%b,"type":%b,"created_at":"%b","workspace_id":' % names
    return b'%b%b,"data":%b}' % (head, _quoted(event.workspace), event.data)


def iso(at_ms: int) -> bytes:
    """ISO 8601 in UTC; milliseconds only where there are any."""
    seconds, millis = divmod(at_ms, 1000)
    return b"%b.%03dZ" % (_second(seconds), millis) if millis else _second(seconds) + b"Z"


def _headers(
    webhook: Webhook, opened: Opened, event_id: bytes, now_ms: int, body: bytes
) -> RawHeaders:
    timestamp = b"%d" % (now_ms // 1000)
    headers = [(b"webhook-id", event_id), (b"webhook-timestamp", timestamp)]
    scheme = webhook.policy.signature
    if scheme.scheme != "none" and opened.keys:
        head = b"%b.%b." % (event_id, timestamp)
        name = scheme.header.encode()
        headers.append((name, signature(scheme, opened.keys_at(now_ms), head, body)))
    replaced = opened.replaced
    if webhook.content_type is not None and body and b"content-type" not in replaced:
        headers.append((b"content-type", webhook.content_type.encode()))
    if b"user-agent" not in replaced:
        headers.append((b"user-agent", USER_AGENT))
    headers.extend(opened.headers)
    return headers


@lru_cache(maxsize=4096)
def _second(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat().encode()


@lru_cache(maxsize=4096)
def _quoted(text: str) -> bytes:
    return msgspec.json.encode(text)
