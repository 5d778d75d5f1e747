"""What a receiver is told."""

import base64
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook as Standard

from hookstream.verify import VerificationError, verify, verify_sha256

SECRET = "whsec_" + "AAAA" * 8
BODY = b'{"a":1}'
NOW = 1_700_000_000


def signed(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(NOW, UTC)
    made = Standard(secret).sign("msg_1", at, body.decode())
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(NOW), "webhook-signature": made}


def test_what_the_reference_library_signs_is_accepted() -> None:
    verify(signed(), BODY, SECRET, now_s=NOW)
    verify(signed(), BODY, ["whsec_" + "BBBB" * 8, SECRET], now_s=NOW + 299)
    two = signed() | {"webhook-signature": f"v1a,xyz v1,AAAA {signed()['webhook-signature']}"}
    verify(two, BODY, SECRET, now_s=NOW)


@pytest.mark.parametrize(
    ("changes", "now_s", "said"),
    [
        ({"webhook-signature": "v1,AAAA"}, NOW, "no signature matches"),
        ({"webhook-signature": "v1a,AAAA"}, NOW, "no v1 signature"),
        ({"webhook-signature": ""}, NOW, "webhook-signature is missing"),
        ({"Webhook-Id": "msg_2"}, NOW, "no signature matches"),
        ({"Webhook-Id": ""}, NOW, "webhook-id is missing"),
        ({"Webhook-Timestamp": "soon"}, NOW, "not a number"),
        ({}, NOW + 301, "301 s old"),
        ({}, NOW - 301, "301 s ahead"),
        ({"webhook-signature": "v1,é"}, NOW, "no signature matches"),
    ],
)
def test_the_rest_is_refused_with_why(changes: dict[str, str], now_s: int, said: str) -> None:
    with pytest.raises(VerificationError, match=said):
        verify(signed() | changes, BODY, SECRET, now_s=now_s)


def test_a_changed_body_is_refused() -> None:
    with pytest.raises(VerificationError, match="changed body"):
        verify(signed(), BODY + b" ", SECRET, now_s=NOW)


KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC, OTHER = (
    "whpk_" + base64.b64encode(key.public_key().public_bytes_raw()).decode()
    for key in (KEY, Ed25519PrivateKey.from_private_bytes(b"o" * 32))
)


def asymmetric(body: bytes = BODY) -> dict[str, str]:
    """Headers of a request that the private key has signed."""
    signature = KEY.sign(f"msg_1.{NOW}.".encode() + body)
    return signed() | {"webhook-signature": f"v1a,{base64.b64encode(signature).decode()}"}


def test_ed25519_signatures_are_checked_by_the_public_key() -> None:
    verify(asymmetric(), BODY, PUBLIC, now_s=NOW)
    verify(asymmetric(), BODY, [OTHER, PUBLIC], now_s=NOW)
    verify(asymmetric(), BODY, [SECRET, PUBLIC], now_s=NOW)
    verify(signed(), BODY, [SECRET, PUBLIC], now_s=NOW)
    beside = f"v1a,!! v1a,AAAA {asymmetric()['webhook-signature']}"
    verify(asymmetric() | {"webhook-signature": beside}, BODY, PUBLIC, now_s=NOW)


@pytest.mark.parametrize(
    ("headers", "body", "secret", "said"),
    [
        (asymmetric(), BODY, OTHER, "no signature matches"),
        (asymmetric(), BODY + b" ", PUBLIC, "no signature matches"),
        (asymmetric() | {"Webhook-Id": "msg_2"}, BODY, PUBLIC, "no signature matches"),
        (signed(), BODY, PUBLIC, "no v1a signature"),
        (asymmetric(), BODY, SECRET, "no v1 signature"),
        (signed() | {"webhook-signature": "v2,x"}, BODY, [SECRET, PUBLIC], "no v1 or v1a"),
        # A signature counts for its own version alone.
        (
            signed() | {"webhook-signature": signed()["webhook-signature"].replace("v1,", "v1a,")},
            BODY,
            [SECRET, PUBLIC],
            "no signature matches",
        ),
    ],
)
def test_other_ed25519_signatures_are_refused(
    headers: dict[str, str], body: bytes, secret: str | list[str], said: str
) -> None:
    with pytest.raises(VerificationError, match=said):
        verify(headers, body, secret, now_s=NOW)


def test_a_private_key_is_not_the_receivers_to_have() -> None:
    with pytest.raises(ValueError, match="whpk_"):
        verify(asymmetric(), BODY, "whsk_AAAA", now_s=NOW)


def test_sha256_signatures() -> None:
    good = "sha256=" + hmac.new(b"secret", BODY, "sha256").hexdigest()
    verify_sha256(good, BODY, ["other", "secret"])
    for header, said in [
        (None, "missing"),
        ("md5=x", "does not begin"),
        (good[:-1], "no signature"),
    ]:
        with pytest.raises(VerificationError, match=said):
            verify_sha256(header, BODY, "secret")


def test_an_empty_secret_is_the_programmers_fault() -> None:
    with pytest.raises(ValueError, match="empty"):
        verify_sha256("sha256=x", BODY, "")
