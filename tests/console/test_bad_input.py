"""What a webhook may not be: refused by its field, when it is made and when it is changed."""

import pytest

from tests.console.served import Side
from tests.console.test_webhooks import URL, refused

FRAMING = (
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Upgrade",
    "Expect",
    "Proxy-Authorization",
    "webhook-id",
)
"""Headers that belong to the connection, or to us."""


def header(name: str, value: str = "x") -> dict[str, object]:
    return {"headers": [{"key": name, "value": value}]}


BAD: list[tuple[dict[str, object], str, str]] = [
    ({"url": "http://example.com/hook"}, "invalid_url", "url"),
    ({"method": "TRACE"}, "literal_error", "method"),
    ({"method": "post"}, "literal_error", "method"),
    ({"retry": {"delay_s": 60, "max_requests": 11}}, "too_many_requests", "retry.max_requests"),
    ({"retry": {"delay_s": 60, "max_requests": 0}}, "greater_than_equal", "retry.max_requests"),
    ({"retry": {"delay_s": 0, "max_requests": 2}}, "greater_than_equal", "retry.delay_s"),
    ({"retry": {"max_requests": 2}}, "missing", "retry.delay_s"),
    ({"rate_per_s": 0}, "greater_than", "rate_per_s"),
    ({"rate_per_s": -1}, "greater_than", "rate_per_s"),
    ({"rate_per_s": "fast"}, "float_parsing", "rate_per_s"),
    ({"max_in_flight": 0}, "greater_than_equal", "max_in_flight"),
    ({"policy": "prestavy"}, "unknown_policy", "policy"),
    (header("X-A", "one\r\nX-B: two"), "invalid_header_value", "headers.X-A"),
    (header("X-A", "one\ntwo"), "invalid_header_value", "headers.X-A"),
    (header("X-A\r\nX-B: two"), "invalid_header_name", "headers.X-A\r\nX-B: two"),
    (header("X A"), "invalid_header_name", "headers.X A"),
    *((header(name), "header_not_allowed", f"headers.{name}") for name in FRAMING),
]


@pytest.mark.parametrize(("body", "code", "field"), BAD, ids=lambda each: str(each)[:60])
def test_a_bad_webhook_is_refused_and_not_saved(
    ours: Side, body: dict[str, object], code: str, field: str
) -> None:
    fine = {"url": URL, "policy": "prestavi"}
    refused(ours.call("POST", "/v1/webhooks", {**fine, **body}), 422, code, field)
    assert ours.call("GET", "/v1/webhooks").json()["items"] == []
    made = ours.made("/v1/webhooks", fine)
    at = f"/v1/webhooks/{made['id']}"
    refused(ours.call("PATCH", at, body), 422, code, field)
    assert ours.call("GET", at).json()["version"] == 1


def test_a_refusal_says_what_would_do(ours: Side) -> None:
    fine = {"url": URL, "policy": "prestavi"}
    eleven = {**fine, "retry": {"delay_s": 60, "max_requests": 11}}
    answer = ours.call("POST", "/v1/webhooks", eleven)
    assert "10" in refused(answer, 422, "too_many_requests", "retry.max_requests")
    answer = ours.call("POST", "/v1/webhooks", {**fine, "policy": "prestavy"})
    assert "prestavi" in refused(answer, 422, "unknown_policy", "policy")
    answer = ours.call("POST", "/v1/webhooks", {**fine, "url": "http://example.com"})
    assert "https://" in answer.json()["detail"]
    answer = ours.call("POST", "/v1/webhooks", {**fine, "method": "TRACE"})
    assert "PATCH" in answer.json()["detail"]


def test_a_system_name_is_taken_in_whatever_case(ours: Side) -> None:
    ours.made("/v1/webhooks", {"url": URL, "name": "Orders"})
    answer = ours.call("POST", "/v1/webhooks", {"url": URL, "name": "orders"})
    assert refused(answer, 409, "name_taken", "name")
