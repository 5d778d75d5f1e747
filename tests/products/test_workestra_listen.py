"""W14: local development without a tunnel: `hookstream listen` brings events to a local port."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGINT

import pytest
from standardwebhooks import Webhook

from services.cli.brokers import without_ours
from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Got, Receiver
from tests.system.shared import Shared, Tenant

SECRET = "your_webhook_secret"
WITHIN_S = 60.0
DIFFERS = {"host", "webhook-timestamp", "authorization"}
"""The address, the moment, and what only the real receiver is shown."""


@pytest.fixture
def local() -> Iterator[Receiver]:
    """What a developer runs on this machine, over plain HTTP."""
    made = Receiver()
    yield made
    made.close()


@contextmanager
def listening(products: Shared, tenant: Tenant, local: Receiver, *more: str) -> Iterator[str]:
    """`hookstream listen` as a process; what it says first."""
    viewer = products.tenant(tenant.workspace, role="viewer")
    port = local.url.rpartition(":")[2]
    console = products.system.ports.console_url
    asked = ["listen", "--port", port, "--url", console, "--key", viewer.key, *more]
    command = [sys.executable, "-u", "-m", "services.cli.main", *asked]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=without_ours()
    ) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline() + process.stdout.readline()
            assert "Ctrl-C" in said, said
            yield said
            process.send_signal(SIGINT)
            assert process.wait(WITHIN_S) == 0
        finally:
            process.kill()


def like(got: Got) -> dict[str, str]:
    return {name: value for name, value in got.headers.items() if name not in DIFFERS}


def test_w14_a_webhooks_events_come_to_a_local_port_as_its_receiver_gets_them(
    products: Shared, receiver: Receiver, local: Receiver
) -> None:
    tenant = products.tenant(default_policy="workestra")
    private = {"key": "Authorization", "value": "only for the receiver", "private": True}
    hook = tenant.webhook(
        receiver.url + "/webhooks/workestra?v=1",
        secret=SECRET,
        events=["contact.*"],
        headers=[{"key": "X-Team", "value": "crm"}, private],
    )
    earlier = tenant.send("contact.created")
    wait_until(lambda: tenant.call("GET", f"/v1/log/events/{earlier}").status_code == 200, WITHIN_S)
    asked = ["--webhook", hook["name"], "--secret", SECRET]
    with listening(products, tenant, local, *asked) as said:
        assert "contact.*" in said
        other = tenant.send("deal.created")
        first = tenant.send("contact.created", '{"price": 1.10}')
        wait_until(lambda: first in local.ids(), WITHIN_S)
        second = tenant.send("contact.updated")
        wait_until(lambda: second in local.ids(), WITHIN_S)
        wait_until(lambda: {first, second} <= set(receiver.ids()), WITHIN_S)
    assert local.ids() == [first, second]
    assert other not in receiver.ids()
    (here,) = (got for got in local.got if got.id == first)
    (there,) = (got for got in receiver.got if got.id == first)
    assert (here.method, here.path, here.body) == (there.method, there.path, there.body)
    assert b'"data":{"price": 1.10}' in here.body
    assert like(here) == like(there)
    assert here.headers["x-workestra-signature"].startswith("sha256=")
    assert "authorization" not in here.headers


def test_w14_without_a_webhook_all_events_come_signed_by_a_secret_that_is_told(
    products: Shared, local: Receiver
) -> None:
    tenant = products.tenant()
    with listening(products, tenant, local, "--path", "/hooks") as said:
        secret = next(word for word in said.split() if word.startswith("whsec_"))
        sent = tenant.send("anything.at.all", '{"n":1}')
        wait_until(lambda: local.got, WITHIN_S)
    (got,) = local.got
    assert (got.id, got.path) == (sent, "/hooks")
    Webhook(secret).verify(got.body, got.headers)
    assert json.loads(got.body)["data"] == {"n": 1}


def test_w14_an_unknown_webhook_is_told(products: Shared, local: Receiver) -> None:
    tenant = products.tenant()
    unknown = listening(products, tenant, local, "--webhook", "nowhere")
    with pytest.raises(AssertionError, match="no webhook 'nowhere'"), unknown:
        pass
