"""What a receiver is told."""

import hmac

import pytest
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
