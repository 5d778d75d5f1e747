"""The bytes of a request, checked by the reference libraries."""

import base64
import hmac
import json
import time
from importlib.metadata import version

import pytest
from standardwebhooks import Webhook as Standard
from svix.webhooks import Webhook as Svix

from hookstream.model.opened import Opened, UnsendableError, open_webhook
from hookstream.model.policy import Signature
from hookstream.model.records import Header, Webhook
from hookstream.model.request import USER_AGENT, OutgoingRequest, iso, render, request
from hookstream.model.seal import Keys, SealedError, header_place, secret_place
from hookstream.verify import verify, verify_sha256
from tests.unit.values import DATA, a_delivery, a_policy, a_webhook, an_event, unsigned

KEYS = Keys([b"k" * 32])
NONCE = b"n" * 12
OLD, NEW = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
SHA256 = a_policy(signature=Signature(scheme="sha256", header="X-Acme", prefix="sha256="))


def sealed(*secrets: str) -> tuple[bytes, ...]:
    return tuple(KEYS.seal(text.encode(), secret_place("ws_1", "wh_1"), NONCE) for text in secrets)


def requested(webhook: Webhook, now_ms: int = 1_700_000_000_123) -> OutgoingRequest:
    return request(webhook, a_delivery(), open_webhook(webhook, KEYS), now_ms)


def headers_of(made: OutgoingRequest) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in made.headers}


def test_the_user_agent_names_this_version() -> None:
    assert f"Hookstream/{version('hookstream')}".encode() == USER_AGENT


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_the_reference_libraries_accept_either_secret_of_a_rotation(secret: str) -> None:
    made = requested(a_webhook(secrets=sealed(NEW, OLD)), int(time.time() * 1000))
    headers = headers_of(made)
    assert Standard(secret).verify(made.body, headers) == json.loads(made.body)
    Svix(secret).verify(made.body, headers)
    verify(headers, made.body, secret)


def test_sha256_signs_the_body_alone_with_the_secrets_own_bytes() -> None:
    made = requested(a_webhook(policy=SHA256, secrets=sealed("your_webhook_secret")))
    expected = hmac.new(b"your_webhook_secret", made.body, "sha256").hexdigest()
    assert headers_of(made)["X-Acme"] == f"sha256={expected}"
    verify_sha256(headers_of(made)["X-Acme"], made.body, "your_webhook_secret")


def test_without_a_scheme_nothing_is_signed() -> None:
    names = headers_of(requested(a_webhook(policy=unsigned())))
    assert sorted(names) == ["content-type", "user-agent", "webhook-id", "webhook-timestamp"]
    assert names["webhook-timestamp"] == "1700000000"


def test_envelopes_carry_the_data_unparsed() -> None:
    event = an_event()
    at = b"2024-03-15T10:30:00Z"
    assert render("data", event) == DATA
    assert render("standard", event) == (
        b'{"type":"contact.created","timestamp":"%b","data":%b}' % (at, DATA)
    )
    assert render("full", event) == (
        b'{"id":"evt_1","type":"contact.created","created_at":"%b",'
        b'"workspace_id":"ws_1","data":%b}' % (at, DATA)
    )


def test_a_verification_has_just_type_id_and_time() -> None:
    body = json.loads(render("full", an_event(id="evt_test_1", type="endpoint.verify", data=b"")))
    assert list(body) == ["type", "id", "created_at"]


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [(0, b"1970-01-01T00:00:00Z"), (1, b"1970-01-01T00:00:00.001Z")],
)
def test_times_are_iso_8601_in_utc(at_ms: int, text: bytes) -> None:
    assert iso(at_ms) == text


def test_a_webhooks_own_header_replaces_ours_whatever_its_case() -> None:
    own = (Header(name="Content-Type", value=b"text/x"), Header(name="USER-AGENT", value=b"me"))
    made = requested(a_webhook(policy=unsigned(), headers=own))
    names = [name.lower() for name, _ in made.headers]
    assert len(names) == len(set(names))
    assert headers_of(made)["Content-Type"] == "text/x"


def test_no_content_type_is_sent_where_the_webhook_has_none() -> None:
    made = requested(a_webhook(policy=unsigned(), content_type=None))
    assert b"content-type" not in dict(made.headers)


def test_a_get_has_no_body() -> None:
    made = requested(a_webhook(policy=unsigned(), method="GET"))
    assert (made.method, made.body) == ("GET", b"")
    assert b"content-type" not in dict(made.headers)


def test_traceparent_goes_out_only_where_asked() -> None:
    for asked in (False, True):
        webhook = a_webhook(policy=unsigned(), send_traceparent=asked)
        made = request(webhook, a_delivery(), Opened(), 0, b"00-1-2-01")
        assert (b"traceparent" in dict(made.headers)) is asked


def test_private_headers_are_opened() -> None:
    value = KEYS.seal(b"token", header_place("ws_1", "wh_1", "x-key"), NONCE)
    webhook = a_webhook(
        policy=unsigned(), headers=(Header(name="X-Key", value=value, private=True),)
    )
    assert headers_of(requested(webhook))["X-Key"] == "token"
    moved = a_webhook(id="wh_2", policy=unsigned(), headers=webhook.headers)
    with pytest.raises(SealedError):
        open_webhook(moved, KEYS)


@pytest.mark.parametrize(
    "webhook",
    [
        a_webhook(),
        a_webhook(policy=unsigned(), headers=(Header(name="Host", value=b"evil"),)),
        a_webhook(policy=unsigned(), headers=(Header(name="X-A", value=b"a\r\nb"),)),
        a_webhook(
            policy=SHA256, secrets=sealed("s" * 9), headers=(Header(name="x-acme", value=b"v"),)
        ),
        a_webhook(policy=unsigned(), content_type="a\r\nx: y"),
    ],
)
def test_what_must_not_go_out_is_refused_when_opened(webhook: Webhook) -> None:
    with pytest.raises(UnsendableError):
        open_webhook(webhook, KEYS)


def test_nothing_shows_a_secret() -> None:
    webhook = a_webhook(secrets=sealed(OLD))
    opened = open_webhook(webhook, KEYS)
    for shown in (repr(opened), repr(requested(webhook)), repr(KEYS)):
        assert "masked" in shown
        assert str(opened.keys[0]) not in shown


@pytest.mark.parametrize("envelope", ["standard", "full", "data"])
def test_a_verification_has_type_id_and_created_at_in_every_envelope(envelope: str) -> None:
    """W3: an event without data."""
    event = an_event(id="evt_test_123", type="endpoint.verify", data=b"")
    assert render(envelope, event) == (
        b'{"type":"endpoint.verify","id":"evt_test_123","created_at":"2024-03-15T10:30:00Z"}'
    )
