"""Workestra's promises, by their numbers (W1 to W14)."""

import hashlib
import hmac

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.system.shared import Shared

SECRET = "your_webhook_secret"


def test_w5_the_signature_is_hex_hmac_of_the_raw_body_under_its_own_header(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant(default_policy="workestra")
    tenant.webhook(receiver.url + "/hook", secret=SECRET)
    tenant.send("contact.created", '{"price": 1.10}')
    wait_until(lambda: receiver.got)
    got = receiver.got[0]
    digest = hmac.new(SECRET.encode(), got.body, hashlib.sha256).hexdigest()
    assert got.headers["x-workestra-signature"] == f"sha256={digest}"
