"""postpress's promises: O1, O2, O4. Its schedule: test_schedules.py."""

import json
import subprocess
from typing import Any

import pytest

from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.products.quickened import WITHIN_S, ended, quickened
from tests.system.shared import Shared, Tenant

CONTENT_TYPE = """curl --request POST \\
--url https://api.postpress.ai/v1/webhooks \\
--header 'X-API-KEY: XXXXXXXX' \\
--header 'accept: application/json' \\
--header 'content-type: application/json' \\
--data '{
"request_url": "https://endpoint",
"source": "messaging",
"headers": [
{
"key": "Content-Type",
"value": "application/json"
}
]
}'"""
AUTHENTICATION = CONTENT_TYPE.replace("Content-Type", "Postpress-Auth").replace(
    '"value": "application/json"', '"value": "yoursecretkey"'
)
"""The documentation's two calls, as it prints them."""


def as_printed(call: str, tenant: Tenant, console: str, endpoint: str = "https://endpoint") -> str:
    """What the shell answers to the call, only host and key changed."""
    ours = call.replace("https://api.postpress.ai", console).replace("XXXXXXXX", tenant.key)
    ours = ours.replace("https://endpoint", endpoint)
    shell = ["/bin/sh", "-c", f"{ours} --silent --fail-with-body --noproxy '*'"]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("call", "header"),
    [
        (CONTENT_TYPE, ("Content-Type", "application/json")),
        (AUTHENTICATION, ("Postpress-Auth", "yoursecretkey")),
    ],
    ids=["content type", "authentication"],
)
def test_o1_the_printed_calls_make_webhooks_by_the_workspaces_policy(
    products: Shared, call: str, header: tuple[str, str]
) -> None:
    tenant = products.tenant(default_policy="postpress")
    made = json.loads(as_printed(call, tenant, products.system.ports.console_url))
    saved = tenant.get(f"/v1/webhooks/{made['id']}")
    assert {name: saved[name] for name in made} == made
    assert (made["url"], made["policy"]) == ("https://endpoint", "postpress")
    assert made["sources"] == ["messaging"]
    assert [(h["key"], h["value"]) for h in made["headers"]] == [header]
    assert (made["state"], made["events"], made["content_type"]) == ("active", ["*"], None)


def test_o1_what_the_printed_calls_made_is_sent_to(products: Shared, receiver: Receiver) -> None:
    tenant = products.tenant(default_policy="postpress")
    console = products.system.ports.console_url
    as_printed(CONTENT_TYPE, tenant, console, receiver.url + "/typed")
    as_printed(AUTHENTICATION, tenant, console, receiver.url + "/secret")
    tenant.publish(b'{"type":"message.received","source":"messaging","data":{"price":1.10}}')
    wait_until(lambda: len(receiver.got) == 2, WITHIN_S)
    got = {each.path: each for each in receiver.got}
    assert {each.body for each in receiver.got} == {b'{"price":1.10}'}
    assert got["/typed"].headers["content-type"] == "application/json"
    assert got["/secret"].headers["postpress-auth"] == "yoursecretkey"
    assert "content-type" not in got["/secret"].headers


def test_o2_200_alone_counts_and_anything_else_is_tried_again_five_times(
    products: Shared, receiver: Receiver
) -> None:
    answers = (201, 202, 301, 410, 500)
    receiver.rule = lambda got, before: (
        ((*answers, 200)[before], {}) if got.path == "/late" else (204, {})
    )
    tenant = products.tenant()
    policy = quickened(tenant, "postpress", 1_000)
    late = tenant.webhook(receiver.url + "/late", policy=policy)["id"]
    never = tenant.webhook(receiver.url + "/never", policy=policy)["id"]
    found = ended(tenant, tenant.send("message.received"), 2)
    assert (found[late]["state"], found[late]["attempts"]) == ("succeeded", 6)
    told = [attempt["status"] for attempt in tenant.attempts(found[late]["id"])]
    assert told == [*answers, 200]
    assert (found[never]["state"], found[never]["attempts"]) == ("failed", 6)
    assert (len(receiver.ids("/late")), len(receiver.ids("/never"))) == (6, 6)
    assert tenant.get(f"/v1/webhooks/{never}")["state"] == "active"


def test_o4_there_is_no_content_type_unless_given(products: Shared, receiver: Receiver) -> None:
    tenant = products.tenant(default_policy="postpress")
    asked: dict[str, dict[str, Any]] = {
        "/silent": {},
        "/header": {"headers": [{"key": "Content-Type", "value": "text/plain"}]},
        "/console": {"content_type": "application/json"},
    }
    for path, more in asked.items():
        tenant.webhook(receiver.url + path, **more)
    tenant.send("message.received", '{"text":"hello"}')
    wait_until(lambda: len(receiver.got) == len(asked), WITHIN_S)
    sent = {
        got.path: [value for name, value in got.raw_headers if name.lower() == "content-type"]
        for got in receiver.got
    }
    assert sent == {"/silent": [], "/header": ["text/plain"], "/console": ["application/json"]}
    assert {got.body for got in receiver.got} == {b'{"text":"hello"}'}
