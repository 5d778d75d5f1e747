"""docs/receivers.md: its Python is run as it stands there, against the reference library."""

import base64
import hmac
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Standard

PAGE = Path(__file__).parents[2] / "docs" / "receivers.md"
CONSTANT_TIME = {
    "python": "hmac.compare_digest",
    "javascript": "crypto.timingSafeEqual",
    "go": "hmac.Equal",
    "php": "hash_equals",
    "java": "MessageDigest.isEqual",
}
OLD, NEW = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
BODY = b'{"price": 1.10, "name": "J\xc3\xb8rn"}'

Verify = Callable[[list[str], Any, bytes], bool]


def block(language: str) -> str:
    """The page's code in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    return str(found)


@pytest.fixture(scope="module")
def page() -> dict[str, Verify]:
    """What the page's Python defines."""
    defined: dict[str, Any] = {}
    exec(compile(block("python"), str(PAGE), "exec"), defined)
    return defined


def signed(*secrets: str, age_s: int = 0) -> dict[str, str]:
    """Headers as the reference library signs with each of the secrets."""
    at_s = int(time.time()) - age_s
    at = datetime.fromtimestamp(at_s, UTC)
    made = " ".join(Standard(secret).sign("evt_1", at, BODY.decode()) for secret in secrets)
    return {"webhook-id": "evt_1", "webhook-timestamp": str(at_s), "webhook-signature": made}


def test_the_pages_python_takes_what_the_reference_library_signed(page: dict[str, Verify]) -> None:
    verify = page["verify_standard"]
    assert verify([OLD], signed(OLD), BODY)
    assert verify([OLD], signed(NEW, OLD), BODY)
    assert verify([NEW, OLD], signed(OLD), BODY)
    assert verify([OLD], signed(OLD, age_s=200), BODY)


def test_the_pages_python_refuses_the_rest(page: dict[str, Verify]) -> None:
    verify = page["verify_standard"]
    assert not verify([NEW], signed(OLD), BODY)
    assert not verify([OLD], signed(OLD), BODY + b" ")
    assert not verify([OLD], signed(OLD) | {"webhook-id": "evt_2"}, BODY)
    assert not verify([OLD], signed(OLD, age_s=400), BODY)
    assert not verify([OLD], signed(OLD, age_s=-400), BODY)
    assert not verify([OLD], signed(OLD) | {"webhook-timestamp": "soon"}, BODY)
    assert not verify([OLD], signed(OLD) | {"webhook-signature": "v1,é"}, BODY)
    assert not verify([OLD], {}, BODY)
    assert not verify([], signed(OLD), BODY)


def test_the_pages_python_checks_the_prefix_and_the_digits(page: dict[str, Verify]) -> None:
    verify, secret = page["verify_sha256"], "your_webhook_secret"
    digits = hmac.new(secret.encode(), BODY, "sha256").hexdigest()
    assert verify(["another_secret", secret], f"sha256={digits}", BODY)
    for header in (digits, f"sha1={digits}", f"sha256={digits[:-1]}", "", "sha256=", "é"):
        assert not verify([secret], header, BODY)
    assert not verify([secret], f"sha256={digits}", BODY + b" ")


@pytest.mark.parametrize("language", CONSTANT_TIME)
def test_every_language_checks_both_kinds_in_constant_time(language: str) -> None:
    code = block(language)
    assert CONSTANT_TIME[language] in code
    assert re.search(r"(?i)verify_?standard\(", code)
    assert re.search(r"(?i)verify_?sha256\(", code)
