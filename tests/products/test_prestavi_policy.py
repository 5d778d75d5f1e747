"""Prestavi's promises about where requests go and how often: P2, P6."""

from datetime import datetime
from typing import Any

import pytest

from tests.fixtures.receiver import Receiver
from tests.products.quickened import ended
from tests.system.shared import Shared, Tenant


def test_p2_the_request_url_must_use_https(products: Shared, receiver: Receiver) -> None:
    tenant = products.tenant(default_policy="prestavi")
    for plain in ("http://example.com/hook", receiver.url.replace("https", "http"), "example.com"):
        answer = tenant.call("POST", "/v1/webhooks", {"url": plain})
        assert (answer.status_code, answer.json()["field"]) == (422, "url"), plain
        assert "https://" in answer.json()["detail"]
    made = tenant.webhook(receiver.url + "/hook")
    answer = tenant.call("PATCH", f"/v1/webhooks/{made['id']}", {"url": "http://example.com"})
    assert (answer.status_code, answer.json()["field"]) == (422, "url")


def failed_at(tenant: Tenant, retry: dict[str, Any] | None, url: str) -> dict[str, Any]:
    """The delivery of one event to a webhook with these retries, at its end."""
    tenant.webhook(url, **({"retry": retry} if retry else {}))
    (found,) = ended(tenant, tenant.send("job.started")).values()
    return found


def test_p6_without_retries_asked_for_there_is_one_request(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda _, __: (500, {})
    tenant = products.tenant(default_policy="prestavi")
    found = failed_at(tenant, None, receiver.url + "/hook")
    assert (found["state_name"], found["attempts"]) == ("failed", 1)
    assert len(receiver.got) == 1


@pytest.mark.parametrize("most", [3, 10])
def test_p6_so_many_requests_as_were_asked_for_each_a_delay_after_the_last(
    products: Shared, receiver: Receiver, most: int
) -> None:
    receiver.rule = lambda _, __: (500, {})
    tenant = products.tenant(default_policy="prestavi")
    retry = {"delay_s": 0.2, "max_requests": most}
    found = failed_at(tenant, retry, receiver.url + "/hook")
    assert (found["state_name"], found["reason"]) == ("failed", "exhausted")
    assert len(receiver.got) == most
    attempts = tenant.attempts(found["id"])
    assert [attempt["number"] for attempt in attempts] == list(range(1, most + 1))
    starts = [datetime.fromisoformat(a["started_at"]).timestamp() * 1000 for a in attempts]
    ends = [at + a["duration_ms"] for at, a in zip(starts, attempts, strict=True)]
    waited = [start - end for start, end in zip(starts[1:], ends, strict=False)]
    assert min(waited) >= 200 - 2, "stamps are of whole milliseconds"


def test_p6_a_success_ends_the_retries_and_an_eleventh_request_is_refused(
    products: Shared, receiver: Receiver
) -> None:
    receiver.rule = lambda _, before: (500 if before < 2 else 200, {})
    tenant = products.tenant(default_policy="prestavi")
    found = failed_at(tenant, {"delay_s": 0.2, "max_requests": 10}, receiver.url + "/hook")
    assert (found["state_name"], found["attempts"]) == ("done", 3)
    eleven = {"url": receiver.url, "retry": {"delay_s": 60, "max_requests": 11}}
    answer = tenant.call("POST", "/v1/webhooks", eleven)
    assert (answer.status_code, answer.json()["field"]) == (422, "retry.max_requests")
    assert "10" in answer.json()["detail"]
