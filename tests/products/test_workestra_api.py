"""W13: API keys, rate limits on the API, a reference of it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from services.cli.ports import free
from services.cli.service import Service
from tests.fixtures.kafka import wait_until
from tests.system.shared import Shared

BURST = 5
LIMITS = {
    "HOOKSTREAM_CONSOLE_REQUESTS_PER_S": "0.5",
    "HOOKSTREAM_CONSOLE_REQUESTS_BURST": str(BURST),
}


@pytest.fixture
def strict(products: Shared, tmp_path: Path) -> Iterator[str]:
    """Where one more console of the running system is, which allows a key little."""
    ports = free()
    (pid, *_) = products.system.pids()["console"]
    own = {**LIMITS, "HOOKSTREAM_CONSOLE_PORT": str(ports.console)}
    environ = psutil.Process(pid).environ() | own
    service = Service("console", tmp_path, ports.health["console"], environ)
    service.spawn()
    try:
        service.wait_until_ready()
        yield ports.console_url
    finally:
        service.stop(10)


def asked(
    method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> httpx2.Response:
    """One request, by nobody unless the headers say by whom."""
    return httpx2.request(method, url, json=body, headers=headers, timeout=60)


def listed(url: str, key: str) -> httpx2.Response:
    """The webhooks, by this key."""
    return asked("GET", f"{url}/v1/webhooks", headers={"X-API-KEY": key})


def number(pattern: str, text: str) -> int:
    found = re.fullmatch(pattern, text)
    assert found, text
    return int(found.group(1))


def test_w13_who_asks_too_often_is_told_when_to_ask_again(products: Shared, strict: str) -> None:
    tenant, other = products.tenant(), products.tenant()
    first = listed(strict, tenant.key)
    assert first.status_code == 200
    assert first.headers["ratelimit-policy"] == f'"key";q={BURST};w=10'
    assert number(r'"key";r=(\d+);t=\d+', first.headers["ratelimit"]) == BURST - 1

    def refused() -> httpx2.Response | None:
        answer = listed(strict, tenant.key)
        return answer if answer.status_code == 429 else None

    answer = wait_until(refused, 60)
    assert answer is not None
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "rate_limited"
    assert 1 <= number(r"(\d+)", answer.headers["retry-after"]) <= 2
    assert number(r'"key";r=(\d+);t=\d+', answer.headers["ratelimit"]) == 0
    assert answer.headers["ratelimit-policy"] == first.headers["ratelimit-policy"]

    assert listed(strict, other.key).status_code == 200
    assert listed(products.system.ports.console_url, tenant.key).status_code == 200
    wait_until(lambda: listed(strict, tenant.key).status_code == 200, 60)


def test_w13_a_key_opens_its_workspace_by_its_role_until_it_is_deleted(products: Shared) -> None:
    admin = products.tenant()
    made = admin.post("/v1/keys", {"role": "viewer"})
    url = products.system.ports.console_url
    for headers in ({"X-API-KEY": made["key"]}, {"Authorization": f"Bearer {made['key']}"}):
        assert asked("GET", f"{url}/v1/webhooks", headers=headers).status_code == 200
        body = {"url": "https://example.com"}
        answer = asked("POST", f"{url}/v1/webhooks", body, headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "role_too_low")
    assert admin.call("DELETE", f"/v1/keys/{made['id']}").status_code == 200
    assert listed(url, made["key"]).status_code == 401
    assert listed(url, "hk_made-up").status_code == 401
    assert asked("GET", f"{url}/v1/webhooks").status_code == 401


def test_w13_the_reference_names_every_call_and_what_a_webhook_takes(products: Shared) -> None:
    reference = asked("GET", f"{products.system.ports.console_url}/v1/openapi.json").json()
    assert {"get", "post"} <= set(reference["paths"]["/v1/webhooks"])
    assert {"get", "patch", "delete"} <= set(reference["paths"]["/v1/webhooks/{webhook}"])
    assert "post" in reference["paths"]["/v1/webhooks/{webhook}/secret/rotate"]
    parts = reference["components"]
    assert {"url", "events", "secret"} <= set(parts["schemas"]["WebhookIn"]["properties"])
    assert {each["type"] for each in parts["securitySchemes"].values()} == {"http", "apiKey"}
