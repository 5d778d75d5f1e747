"""Signatures as receivers check them: by the reference libraries, by OpenSSL, never by our code.

Also through a rotation: what the old secret checks and what the new one does, before, while both
are in force, and after the old one's end. W2, W5.
"""

import base64
import hashlib
import hmac
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook as Standard
from standardwebhooks.webhooks import WebhookVerificationError
from svix.webhooks import Webhook as Svix

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Got, Receiver
from tests.system.shared import Shared, Tenant

SECRET = "your_webhook_secret"
"""As the documentation has it: 19 letters."""
_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an ed25519 key in DER (RFC 8410)."""


def delivered(tenant: Tenant, receiver: Receiver) -> Got:
    """A new event, as it arrived."""
    event = tenant.send("contact.created", '{"price": 1.10, "name": "J\\u00f8rn"}')
    wait_until(lambda: event in receiver.ids(), 60)
    return next(got for got in receiver.got if got.id == event)


def signed_once(tenant: Tenant, receiver: Receiver) -> Got:
    """The first new event on which one signature is left: old secrets have ended."""

    def one_left() -> bool:
        return " " not in delivered(tenant, receiver).headers["webhook-signature"]

    wait_until(one_left, 60)
    return receiver.got[-1]


def rotated(tenant: Tenant, webhook: str, **how: Any) -> dict[str, Any]:
    """What the rotation answered; it is on the topic."""
    answer: dict[str, Any] = tenant.post(f"/v1/webhooks/{webhook}/secret/rotate", how, 200)
    return answer


def policy(tenant: Tenant, **signature: str) -> str:
    """Id of a policy that signs so."""
    made = tenant.post("/v1/policies", {"name": signature["scheme"], "signature": signature})
    return str(made["id"])


def accepts(secret: str, got: Got) -> bool:
    """Whether both reference libraries take the request. They must agree."""
    verdicts = set()
    for library in (Standard(secret), Svix(secret)):
        try:
            library.verify(got.body, got.headers)
            verdicts.add(True)
        except WebhookVerificationError:
            verdicts.add(False)
    assert len(verdicts) == 1
    return verdicts.pop()


def openssl(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The command. Not having it is a failure."""
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, timeout=60)


def openssl_hmac(secret: str, body: bytes) -> str:
    """`sha256=<hex>` of a body, by OpenSSL."""
    key = f"hexkey:{secret.encode().hex()}"
    made = openssl("dgst", "-sha256", "-mac", "HMAC", "-macopt", key, "-r", given=body)
    assert made.returncode == 0, made.stderr
    return "sha256=" + made.stdout.split()[0].decode()


def raw_key(public: str) -> bytes:
    return base64.b64decode(public.removeprefix("whpk_"))


def signed(got: Got) -> bytes:
    """What the standard schemes sign."""
    return f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body


def signatures(got: Got) -> list[bytes]:
    """The ed25519 signatures, in order."""
    parts = [part.partition(",") for part in got.headers["webhook-signature"].split(" ")]
    assert {version for version, _, _ in parts} == {"v1a"}
    return [base64.b64decode(value) for _, _, value in parts]


def checks(public: str, got: Got, folder: Path) -> list[bool]:
    """Which signatures the key checks, in order: by `cryptography` and by OpenSSL, which agree."""
    return [_checks_one(public, signature, got, folder) for signature in signatures(got)]


def _checks_one(public: str, signature: bytes, got: Got, folder: Path) -> bool:
    files = {"key": _SPKI + raw_key(public), "message": signed(got), "signature": signature}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    key, message, sig = (str(folder / name) for name in files)
    by = ("-verify", "-pubin", "-keyform", "DER", "-inkey", key, "-rawin")
    told = openssl("pkeyutl", *by, "-in", message, "-sigfile", sig)
    assert b"Verified Successfully" in told.stdout or b"Verification Failure" in told.stdout, told
    try:
        Ed25519PublicKey.from_public_bytes(raw_key(public)).verify(signature, signed(got))
    except InvalidSignature:
        assert told.returncode != 0
        return False
    assert told.returncode == 0
    return True


def test_reference_libraries_check_standard_signatures_through_a_rotation(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    made = tenant.webhook(receiver.url + "/hook")
    old = made["secret"]
    got = delivered(tenant, receiver)
    assert accepts(old, got)
    assert not accepts(old, got._replace(body=got.body + b" "))

    new = rotated(tenant, made["id"])["secret"]
    got = delivered(tenant, receiver)
    assert accepts(old, got)
    assert accepts(new, got)
    first = got.headers["webhook-signature"].split(" ")[0]
    assert accepts(new, got._replace(headers=got.headers | {"webhook-signature": first}))

    typed = "whsec_" + base64.b64encode(hashlib.sha256(b"typed").digest()).decode()
    answer = rotated(tenant, made["id"], secret=typed, keep_s=1)
    assert answer["secret"] == typed
    got = signed_once(tenant, receiver)
    assert accepts(typed, got)
    assert not accepts(new, got)
    assert not accepts(old, got)


def test_ed25519_is_checked_by_the_shown_public_key_through_a_rotation(
    products: Shared, receiver: Receiver, tmp_path: Path
) -> None:
    tenant = products.tenant()
    made = tenant.webhook(receiver.url + "/hook", policy=policy(tenant, scheme="standard_v1a"))
    path = f"/v1/webhooks/{made['id']}"
    (key,) = tenant.get(path)["signing_keys"]
    old = key["public_key"]
    got = delivered(tenant, receiver)
    assert checks(old, got, tmp_path) == [True]
    assert checks(old, got._replace(body=got.body + b" "), tmp_path) == [False]

    seed = base64.b64encode(hashlib.sha256(b"typed").digest()).decode()
    rotated(tenant, made["id"], secret=f"whsk_{seed}")
    new = tenant.get(path)["signing_keys"][0]["public_key"]
    got = delivered(tenant, receiver)
    assert checks(new, got, tmp_path) == [True, False]
    assert checks(old, got, tmp_path) == [False, True]

    last = rotated(tenant, made["id"], keep_s=1)["signing_keys"][0]["public_key"]
    got = signed_once(tenant, receiver)
    assert checks(last, got, tmp_path) == [True]
    assert checks(new, got, tmp_path) == [False]


@pytest.mark.parametrize("secret", [SECRET, "geschwätzig und süß"])
def test_w2_a_typed_secret_is_the_key_as_its_utf_8_bytes_are(
    products: Shared, receiver: Receiver, secret: str
) -> None:
    tenant = products.tenant(default_policy="workestra")
    tenant.webhook(receiver.url + "/hook", secret=secret, events=["contact.created"])
    tenant.send("contact.deleted")
    got = delivered(tenant, receiver)
    assert got.headers["x-workestra-signature"] == openssl_hmac(secret, got.body)
    expected = hmac.new(secret.encode(), got.body, hashlib.sha256).hexdigest()
    assert got.headers["x-workestra-signature"] == f"sha256={expected}"
    assert receiver.ids() == [got.id]


def test_w2_how_long_a_secret_must_be_is_the_schemes_to_say(products: Shared) -> None:
    tenant = products.tenant(default_policy="workestra")
    for policy_id, secret in (("workestra", "7 bytes"), ("standard", SECRET)):
        body = {"url": "https://example.com/", "policy": policy_id, "secret": secret}
        answer = tenant.call("POST", "/v1/webhooks", body)
        problem = answer.json()
        assert (answer.status_code, problem["field"]) == (422, "secret")
        assert problem["hint"]
        assert secret not in answer.text


def test_w5_through_a_rotation_the_old_secret_signs_until_its_end_then_the_new_one(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="workestra")
    made = tenant.webhook(receiver.url + "/hook", secret=SECRET)
    rotated(tenant, made["id"], secret="the_secret_after_it")
    got = delivered(tenant, receiver)
    assert got.headers["x-workestra-signature"] == openssl_hmac(SECRET, got.body)

    rotated(tenant, made["id"], secret="the_last_of_three", keep_s=1)

    def by_the_last() -> bool:
        one = delivered(tenant, receiver)
        known = [openssl_hmac(s, one.body) for s in (SECRET, "the_last_of_three")]
        assert one.headers["x-workestra-signature"] in known
        return one.headers["x-workestra-signature"] == known[1]

    wait_until(by_the_last, 60)


def test_where_nothing_is_signed_no_header_of_a_signature_is_sent(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    tenant.webhook(receiver.url + "/hook", policy=policy(tenant, scheme="none"))
    got = delivered(tenant, receiver)
    assert [name for name in got.headers if "signature" in name] == []
