"""POST /v1/webhooks/{id}/preview, and templates as they are saved (M1, M6, M7)."""

from typing import Any

import httpx2
import pytest

from hookstream.store.webhooks import compiled
from tests.console.conftest import Two
from tests.console.served import Side
from tests.console.test_webhooks import URL, refused

USED = "${WebhookRequest.TransactionalId}"


def previewed(side: Side, webhook: dict[str, Any], body: Any = None) -> dict[str, Any]:
    answer = side.call("POST", f"/v1/webhooks/{webhook['id']}/preview", body, "viewer")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def lines(shown: dict[str, Any]) -> dict[str, str]:
    return {line["key"].lower(): line["value"] for line in shown["headers"]}


def test_a_preview_is_the_whole_request_of_a_sample_with_private_values_masked(two: Two) -> None:
    side = two.ours
    side.made("/v1/event-types", {"name": "order.paid", "sample": {"id": 7, "who": 'A "B"'}})
    headers = [
        {"key": "X-Plain", "value": "of ${who}"},
        {"key": "Authorization", "value": "planted-token", "private": True},
        {"key": "X-Key", "value": f"planted-{USED}", "private": True},
    ]
    made = side.made(
        "/v1/webhooks",
        {
            "url": URL + "/${id}?t=" + USED,
            "events": ["order.paid"],
            "method": "PUT",
            "headers": headers,
            "template": '{"who":"${who}","of":"${event.type}","p":${properties.p}}',
            "properties": {"p": 1},
        },
    )
    shown = previewed(side, made)
    assert (shown["method"], shown["event_type"]) == ("PUT", "order.paid")
    assert shown["url"].startswith(URL + "/7?t=")
    assert shown["body"] == '{"who":"A \\"B\\"","of":"order.paid","p":1}'
    assert shown["uses_transaction_id"] is True
    found = lines(shown)
    assert found["x-plain"] == 'of A "B"'
    assert {found[n] for n in ("authorization", "x-key", "webhook-signature")} == {"••••"}
    assert list(found)[:3] == ["webhook-id", "webhook-timestamp", "webhook-signature"]
    assert "planted" not in str(shown)


def test_data_can_be_given_and_stays_as_it_was_written(two: Two) -> None:
    made = two.ours.made("/v1/webhooks", {"url": URL, "policy": "workestra"})
    answer = httpx2.post(
        f"{two.url}/v1/webhooks/{made['id']}/preview",
        content=b'{"event_type": "a.b", "data": {"price":  1.10}}',
        headers={"X-API-KEY": two.ours.keys["viewer"], "Content-Type": "application/json"},
        timeout=60,
    )
    shown = answer.json()
    assert shown["body"].endswith('"workspace_id":"ours","data":{"price":  1.10}}')
    assert lines(shown)["x-workestra-signature"] == "••••"
    assert shown["uses_transaction_id"] is False


def test_the_envelope_with_a_link_shows_none(two: Two) -> None:
    body = {"url": URL, "policy": "prestavi", "properties": {"team": "a"}}
    shown = previewed(two.ours, two.ours.made("/v1/webhooks", body), {"data": 1})
    assert shown["body"] == '{"data":1,"custom_properties":{"team":"a"},"meta":{"link":"••••"}}'


def test_an_event_that_would_fail_is_told_so(two: Two) -> None:
    made = two.ours.made("/v1/webhooks", {"url": URL, "template": '{"a":${v},}'})
    answer = two.ours.call("POST", f"/v1/webhooks/{made['id']}/preview", {"data": {"v": 1}})
    assert "fails its delivery" in refused(answer, 422, "not_rendered", "template")


def test_webhooks_of_others_are_not_there(two: Two) -> None:
    made = two.theirs.made("/v1/webhooks", {"url": URL})
    refused(two.ours.call("POST", f"/v1/webhooks/{made['id']}/preview"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"url": URL, "template": "{% if x %}"}, "invalid_template", "template"),
        ({"url": URL, "template": "{% include 'x' %}"}, "invalid_template", "template"),
        ({"url": URL, "template": "${a | nope}"}, "invalid_template", "template"),
        ({"url": URL, "template": '{"a":"\\${v}"}'}, "invalid_template", "template"),
        ({"url": URL + "/${a"}, "invalid_template", "url"),
        ({"url": "https://${host}/x"}, "invalid_url", "url"),
        ({"url": "https://example.com${x}"}, "invalid_url", "url"),
        ({"url": URL + "/../${x}"}, "invalid_url", "url"),
        (
            {"url": URL, "headers": [{"key": "A", "value": "${a", "private": True}]},
            "invalid_template",
            "headers.A",
        ),
    ],
)
def test_a_template_that_does_not_parse_is_refused_by_its_field(
    side_of_file: Side, body: dict[str, object], code: str, field: str
) -> None:
    refused(side_of_file.call("POST", "/v1/webhooks", body), 422, code, field)
    made = side_of_file.made("/v1/webhooks", {"url": URL})
    changed = {**body, "description": "x"}
    answer = side_of_file.call("PATCH", f"/v1/webhooks/{made['id']}", changed)
    refused(answer, 422, code, field)


@pytest.mark.parametrize(
    "part",
    ["@evil.example", "//evil.example", ".evil.example", "\\@evil.example", "%40evil.example",
     "%2F%2Fevil.example", "%5Cevil.example", "\n.evil.example", ":81/x", "${x}", "/a/../b"],
)  # fmt: skip
def test_a_part_that_would_leave_the_integrations_host_is_refused(
    side_of_file: Side, part: str
) -> None:
    shared = {"name": f"i {part!r}", "root_url": "https://api.example"}
    integration = side_of_file.made("/v1/integrations", shared)["id"]
    body = {"url": part, "integration": integration}
    refused(side_of_file.call("POST", "/v1/webhooks", body), 422, "invalid_url", "url")


def test_a_sealed_template_is_remembered_as_one(two: Two) -> None:
    header = {"key": "X-Key", "value": USED, "private": True}
    made = two.ours.made("/v1/webhooks", {"url": URL, "headers": [header]})
    path = f"/v1/webhooks/{made['id']}"
    two.ours.call("PATCH", path, {"headers": [{"key": "x-key", "private": True}]})
    assert dynamic(two) == [True]
    two.ours.call("PATCH", path, {"headers": [{"key": "X-Key", "value": "v", "private": True}]})
    assert dynamic(two) == [False]
    two.ours.call("PATCH", path, {"url": URL + "/${x}"})
    assert dynamic(two) == [True]


def dynamic(two: Two) -> list[bool]:
    return [webhook.dynamic for webhook in compiled(two.pool, "ours")]
