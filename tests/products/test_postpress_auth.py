"""O5: an authentication header with a secret of the user's, in each of the ways to have one."""

from typing import Any

import pytest

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Got, Receiver
from tests.system.shared import Shared, Tenant

SECRET = "yoursecretkey"
HEADER = "Postpress-Auth"


def delivered(tenant: Tenant, receiver: Receiver) -> Got:
    """A new event of the source messaging, as it arrived."""
    answer = tenant.publish(b'{"type":"message.received","source":"messaging","data":{"a":1}}')
    assert answer.status_code == 202, answer.text
    event = answer.json()["id"]
    wait_until(lambda: event in receiver.ids(), 60)
    return next(got for got in receiver.got if got.id == event)


def lines(got: Got) -> list[tuple[str, str]]:
    """Every line of the request that has to do with the secret, as it came."""
    return [(n, v) for n, v in got.raw_headers if n.lower() == HEADER.lower() or SECRET in v]


def secret_policy(tenant: Tenant, prefix: str = "") -> str:
    """Id of a policy whose header carries the webhook's secret."""
    signature = {"scheme": "secret", "header": HEADER, "prefix": prefix}
    return str(tenant.post("/v1/policies", {"name": "auth", "signature": signature})["id"])


@pytest.mark.parametrize("private", [False, True])
def test_o5_a_header_of_ones_own_carries_the_secret(
    products: Shared, receiver: Receiver, private: bool
) -> None:
    tenant = products.tenant(default_policy="postpress")
    header: dict[str, Any] = {"key": HEADER, "value": SECRET}
    if private:
        header["private"] = True
    body = {"request_url": receiver.url, "source": "messaging", "headers": [header]}
    made = tenant.post("/v1/webhooks", body)
    assert lines(delivered(tenant, receiver)) == [(HEADER, SECRET)]
    answer = tenant.call("GET", f"/v1/webhooks/{made['id']}")
    assert (SECRET in answer.text) is not private


def test_o5_the_webhooks_secret_is_sent_in_the_policys_header_and_never_shown_again(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    made = tenant.webhook(receiver.url, secret=SECRET, policy=secret_policy(tenant))
    assert made["secret"] == SECRET
    got = delivered(tenant, receiver)
    assert lines(got) == [(HEADER, SECRET)]
    assert SECRET not in tenant.call("GET", f"/v1/webhooks/{made['id']}").text
    wait_until(lambda: tenant.deliveries(got.id), 60)
    for path in (f"/v1/log/events/{got.id}", "/v1/log/deliveries"):
        assert SECRET not in tenant.call("GET", path).text


def test_o5_through_a_rotation_the_old_secret_is_sent_until_its_end(
    products: Shared, receiver: Receiver
) -> None:
    tenant = products.tenant()
    rules = secret_policy(tenant, "Bearer ")
    made = tenant.webhook(receiver.url, secret=SECRET, policy=rules)
    path = f"/v1/webhooks/{made['id']}/secret/rotate"
    tenant.post(path, {"secret": "the-middle-one"}, 200)
    name = HEADER.lower()
    assert delivered(tenant, receiver).headers[name] == f"Bearer {SECRET}"
    tenant.post(path, {"secret": "the-last-of-three", "keep_s": 1}, 200)
    last = "Bearer the-last-of-three"
    wait_until(lambda: delivered(tenant, receiver).headers[name] == last, 60)
    assert {got.headers[name] for got in receiver.got} == {f"Bearer {SECRET}", last}
