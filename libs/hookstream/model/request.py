"""From a delivery to the bytes of its request: envelope, headers, signature."""

from datetime import UTC, datetime
from functools import lru_cache

import msgspec
from msgspec import Struct

from hookstream.model.escape import loaded
from hookstream.model.opened import Opened
from hookstream.model.records import Delivery, Event, Webhook
from hookstream.model.rendering import RenderedRequest, Rendering
from hookstream.model.signing import signature
from hookstream.model.template_syntax import TemplateError

USER_AGENT = b"Hookstream/0.1.0"

RawHeaders = list[tuple[bytes, bytes]]


class OutgoingRequest(Struct, frozen=True, kw_only=True, gc=False):
    """One HTTP request, ready to be written. Its headers may hold secrets: never log it."""

    method: str
    url: str
    headers: RawHeaders
    body: bytes
    uses_transaction_id: bool = False
    """Whether the delivery's id was rendered into URL, a header or the body of this very request,
    as `WebhookRequest.TransactionalId` (M6)."""
    url_is_rendered: bool = False
    """Whether the URL was made for this request alone: not worth remembering how it parses."""

    def __repr__(self) -> str:
        return f"OutgoingRequest({self.method}, {len(self.headers)} headers, masked)"


def request(
    webhook: Webhook,
    delivery: Delivery,
    opened: Opened,
    now_ms: int,
    traceparent: bytes | None = None,
    link: str | None = None,
) -> OutgoingRequest:
    """The request of one attempt, signed at `now_ms`. A GET has no body, and is signed as such.

    `link`: by which the receiver may close the delivery later. Raises `TemplateError`.
    """
    event, url, own, body, uses = delivery.event, webhook.url, opened.headers, None, False
    if opened.rendering is not None:
        made = _rendered(opened.rendering, webhook, delivery, link)
        url, own, body = made.url, made.headers, made.body
        uses = made.uses_transaction_id or _is_in(delivery.id, made)
    if webhook.method == "GET":
        body = b""
    elif body is None:
        body = render(webhook.policy.envelope, event, webhook.properties, link)
    headers = _headers(webhook, opened, event.id.encode(), now_ms, body)
    headers.extend(own)
    if traceparent is not None and webhook.send_traceparent:
        headers.append((b"traceparent", traceparent))
    return OutgoingRequest(
        method=webhook.method,
        url=url,
        headers=headers,
        body=body,
        uses_transaction_id=uses,
        url_is_rendered=url != webhook.url,
    )


def render(
    envelope: str, event: Event, properties: bytes | None = None, link: str | None = None
) -> bytes:
    """The body. The event's data is spliced in byte for byte: 1.10 stays 1.10 (W4).

    `properties`, a JSON object, and `link` are for the envelope `linked` alone (P1, P8). An event
    without data is a verification and has just type, id and created_at, whatever the envelope (W3).
    """
    created_at = iso(event.created_at_ms)
    if not event.data:
        names = _quoted(event.type), _quoted(event.id), created_at
        return b'{"type":%b,"id":%b,"created_at":"%b"}' % names
    if envelope == "data":
        return event.data
    if envelope == "linked":
        return _linked(event.data, properties, link)
    if envelope == "standard":
        head = b'{"type":%b,"timestamp":"%b","data":' % (_quoted(event.type), created_at)
        return b"%b%b}" % (head, event.data)
    names = _quoted(event.id), _quoted(event.type), created_at
    head = b'{"id":%b,"type":%b,"created_at":"%b","workspace_id":' % names
    return b'%b%b,"data":%b}' % (head, _quoted(event.workspace), event.data)


def _linked(data: bytes, properties: bytes | None, link: str | None) -> bytes:
    parts = [b'{"data":', data]
    if properties and properties != b"{}":
        parts += [b',"custom_properties":', properties]
    if link is not None:
        parts += [b',"meta":{"link":', msgspec.json.encode(link), b"}"]
    return b"".join([*parts, b"}"])


def _rendered(
    rendering: Rendering, webhook: Webhook, delivery: Delivery, link: str | None
) -> RenderedRequest:
    event, data = delivery.event, _data(delivery.event)
    own: dict[str, object] = {
        "event": {
            "id": event.id,
            "type": event.type,
            "created_at": iso(event.created_at_ms).decode(),
            "source": event.source,
            "subject": event.subject,
            "workspace_id": event.workspace,
            "data": data,
        },
        "properties": rendering.properties,
        "webhook": {"name": webhook.name},
        "WebhookRequest": {"TransactionalId": delivery.id, "Link": link},
    }
    values = {**data, **own} if isinstance(data, dict) else own
    # What verifies a webhook has no data to render a body of, and has its own form (W3).
    return rendering.render(values, with_body=webhook.method != "GET" and bool(event.data))


def _data(event: Event) -> object:
    try:
        return loaded(event.data) if event.data else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TemplateError(f"the event's data cannot be read: {error}") from None


def _is_in(id_: str, made: RenderedRequest) -> bool:
    """Whether the id stands there, by way of an `assign` or a `capture` too."""
    raw = id_.encode()
    in_headers = any(raw in value for _, value in made.headers)
    return id_ in made.url or in_headers or (made.body is not None and raw in made.body)


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
    return headers


@lru_cache(maxsize=4096)
def _second(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat().encode()


@lru_cache(maxsize=4096)
def _quoted(text: str) -> bytes:
    return msgspec.json.encode(text)
