"""How requests are signed, checked by others' code; what a secret must be, by its scheme."""

import base64
import hmac
import json
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from standardwebhooks import Webhook as Standard
from standardwebhooks.webhooks import WebhookVerificationError
from svix.webhooks import Webhook as Svix

from hookstream.model.opened import UnsendableError, open_webhook
from hookstream.model.policy import Scheme, Signature
from hookstream.model.records import Webhook
from hookstream.model.request import request
from hookstream.model.seal import Keys, secret_place
from hookstream.model.signing import check_secret, private_text, public_key, signing_key
from tests.unit.values import a_delivery, a_policy, a_webhook

KEYS = Keys([b"k" * 32])
NOW_MS = int(time.time() * 1000)
OLD, NEW = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
V1A = Signature(scheme="standard_v1a")
SEED = bytes(range(32))
PAIR = SEED + Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def signing(scheme: Signature, *secrets: str, until_ms: tuple[int, ...] = ()) -> Webhook:
    place = secret_place("ws_1", "wh_1")
    sealed = tuple(KEYS.seal(text.encode(), place, b"n" * 12) for text in secrets)
    policy = a_policy(signature=scheme)
    return a_webhook(policy=policy, secrets=sealed, secrets_until_ms=until_ms)


def sent(webhook: Webhook, now_ms: int = NOW_MS) -> tuple[dict[str, str], bytes]:
    """Headers and body of one request."""
    made = request(webhook, a_delivery(), open_webhook(webhook, KEYS), now_ms)
    return {name.decode(): value.decode() for name, value in made.headers}, made.body


def test_ed25519_is_verified_by_the_public_key_alone() -> None:
    headers, body = sent(signing(V1A, private_text(SEED)))
    version, _, signature = headers["webhook-signature"].partition(",")
    assert version == "v1a"
    shown = public_key(V1A, private_text(SEED)) or ""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(shown.removeprefix("whpk_")))
    head = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode()
    key.verify(base64.b64decode(signature), head + body)
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(signature), head + body + b" ")


def test_a_key_of_64_bytes_is_the_same_key_as_its_seed() -> None:
    assert public_key(V1A, f"whsk_{b64(PAIR)}") == public_key(V1A, f"whsk_{b64(SEED)}")
    assert public_key(Signature(), OLD) is None


def test_an_old_secret_signs_beside_the_new_one_until_its_end() -> None:
    webhook = signing(Signature(), NEW, OLD, until_ms=(0, NOW_MS + 1))
    headers, body = sent(webhook)
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (OLD, NEW):
        assert Standard(secret).verify(body, headers) == json.loads(body)
        Svix(secret).verify(body, headers)
    headers, body = sent(webhook, NOW_MS + 1)
    Standard(NEW).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Standard(OLD).verify(body, headers)


@pytest.mark.parametrize(
    ("scheme", "value_of"),
    [
        ("sha256", lambda secret, body: hmac.new(secret, body, "sha256").hexdigest()),
        ("secret", lambda secret, _: secret.decode()),
    ],
)
def test_where_one_value_is_sent_the_old_secret_signs_until_its_end(
    scheme: Scheme, value_of: object
) -> None:
    signature = Signature(scheme=scheme, header="X-Acme", prefix="p=")
    ends = (0, NOW_MS + 2, NOW_MS + 1)
    webhook = signing(signature, "the-newest", "the-middle", "the-oldest", until_ms=ends)
    for after_ms, secret in [(0, b"the-oldest"), (1, b"the-middle"), (2, b"the-newest")]:
        headers, body = sent(webhook, NOW_MS + after_ms)
        assert callable(value_of)
        assert headers["X-Acme"] == "p=" + value_of(secret, body)


def test_the_newest_secret_signs_whatever_its_end_says() -> None:
    headers, body = sent(signing(Signature(), NEW, OLD, until_ms=(1, 1)))
    Standard(NEW).verify(body, headers)


def test_keys_are_made_once_a_version() -> None:
    opened = open_webhook(signing(V1A, private_text(SEED)), KEYS)
    assert opened.keys_at(0)[0] is opened.keys_at(NOW_MS)[0]
    assert isinstance(opened.keys[0], Ed25519PrivateKey)


@pytest.mark.parametrize(
    "webhook",
    [
        signing(V1A, OLD),
        signing(V1A),
        signing(Signature(scheme="secret", header="X-Acme"), "of\r\ntwo: lines"),
        signing(Signature(scheme="secret", header="X-Acme")),
    ],
)
def test_what_cannot_sign_is_refused_when_opened(webhook: Webhook) -> None:
    with pytest.raises(UnsendableError):
        open_webhook(webhook, KEYS)


@pytest.mark.parametrize(
    ("scheme", "secret"),
    [
        ("standard", OLD),
        ("standard", OLD.removeprefix("whsec_")),
        ("standard", f"whsec_{b64(b'x' * 24)}"),
        ("standard", f"whsec_{b64(b'x' * 64)}"),
        ("standard_v1a", f"whsk_{b64(SEED)}"),
        ("standard_v1a", f"whsk_{b64(PAIR)}"),
        ("sha256", "your_webhook_secret"),
        ("sha256", "8 bytes!"),
        ("sha256", "schlüssel"),
        ("sha256", "x" * 256),
        ("secret", "yoursecretkey"),
        ("secret", "with a space"),
        ("secret", "x" * 256),
    ],
)
def test_secrets_that_may_be_saved(scheme: Scheme, secret: str) -> None:
    assert check_secret(Signature(scheme=scheme), secret) is None


@pytest.mark.parametrize(
    ("scheme", "secret"),
    [
        ("standard", "your_webhook_secret"),
        ("standard", f"whsec_{b64(b'x' * 23)}"),
        ("standard", f"whsec_{b64(b'x' * 65)}"),
        ("standard", "whsec_é"),
        ("standard", "whsec_"),
        ("standard", f"whsk_{b64(SEED)}"),
        ("standard", OLD + "\n"),
        ("standard_v1a", OLD),
        ("standard_v1a", b64(SEED)),
        ("standard_v1a", f"whsk_{b64(SEED[1:])}"),
        ("standard_v1a", f"whsk_{b64(SEED + SEED)}"),
        ("standard_v1a", f"whpk_{b64(PAIR[32:])}"),
        ("standard_v1a", "whsk_é"),
        ("sha256", "short"),
        ("sha256", "1234567"),
        ("sha256", "ü" * 129),
        ("sha256", ""),
        ("secret", "short"),
        ("secret", "two\r\nlines: x"),
        ("secret", "schlüssel"),
        ("secret", " leading-space"),
        ("secret", "trailing-space "),
        ("secret", "with\tatab"),
        ("secret", "x" * 257),
    ],
)
def test_secrets_that_may_not(scheme: Scheme, secret: str) -> None:
    refusal = check_secret(Signature(scheme=scheme), secret)
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("invalid_secret", "secret")
    assert refusal.hint
    assert len(secret) < 8 or secret not in refusal.detail


def test_a_text_is_its_own_key_but_where_the_standard_says_base64() -> None:
    assert signing_key(Signature(), OLD) == b"\x01" * 32
    assert signing_key(Signature(scheme="sha256"), OLD) == OLD.encode()
