"""/v1/integrations: what several webhooks share, and what is refused of it."""

from typing import Any

import pytest

from hookstream.model.opened import open_webhook
from hookstream.model.records import Webhook
from hookstream.store.webhooks import compiled
from services.console import followers
from tests.console.conftest import Two
from tests.console.served import OPERATOR, Side, call, sealing_keys
from tests.console.test_webhooks import refused

ROOT = "https://api.example.com/v3/operations/"
SECRET = {"key": "Authorization", "value": "Bearer planted", "private": True}


def an_integration(side: Side, **more: Any) -> dict[str, Any]:
    return side.made("/v1/integrations", {"name": "Crm", "root_url": ROOT, **more})


def a_webhook(side: Side, integration: dict[str, Any], **more: Any) -> dict[str, Any]:
    return side.made("/v1/webhooks", {"integration": integration["id"], **more})


def the_record(two: Two) -> Webhook:
    (found,) = compiled(two.pool, "ours")
    return found


def test_an_integration_is_made_shown_changed_and_deleted(ours: Side) -> None:
    made = an_integration(ours, headers=[SECRET], rate_per_s=50, shards=2)
    assert made["headers"] == [
        {"key": "Authorization", "value": None, "private": True, "inherited": False}
    ]
    path = f"/v1/integrations/{made['id']}"
    assert ours.call("GET", path).json() == made
    assert ours.call("GET", "/v1/integrations").json()["items"] == [made]
    answer = ours.call("PATCH", path, {"name": "Erp", "rate_per_s": None, "shards": 1})
    changed = answer.json()
    assert (changed["version"], changed["name"], changed["rate_per_s"]) == (2, "Erp", None)
    assert answer.headers["etag"] == '"2"'
    refused(ours.call("PATCH", path, {"name": "x"}, if_match='"1"'), 412, "stale")
    refused(ours.call("PATCH", path, {"name": "x", "version": 1}), 412, "stale")
    refused(ours.call("DELETE", path, if_match='"1"'), 412, "stale")
    assert ours.call("DELETE", path).status_code == 200
    assert ours.call("GET", path).status_code == 404
    assert ours.call("GET", "/v1/integrations").json()["items"] == []


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"name": None}, "string_type", "name"),
        ({"name": ""}, "string_too_short", "name"),
        ({"root_url": None}, "string_type", "root_url"),
        ({"root_url": "ftp://example.com/"}, "invalid_url", "root_url"),
        ({"root_url": "https://user:pw@example.com/"}, "invalid_url", "root_url"),
        ({"root_url": "https://example.com/#top"}, "invalid_url", "root_url"),
        ({"root_url": "example.com"}, "invalid_url", "root_url"),
        ({"rate_per_s": 0}, "greater_than", "rate_per_s"),
        ({"rate_per_s": -1}, "greater_than", "rate_per_s"),
        ({"shards": 0}, "greater_than_equal", "shards"),
        ({"shards": 65}, "less_than_equal", "shards"),
        ({"shards": 8, "rate_per_s": 4}, "too_many_shards", "shards"),
        ({"headers": [{"key": "Host", "value": "x"}]}, "header_not_allowed", "headers.Host"),
        (
            {"headers": [{"key": "Content-Length", "value": "1"}]},
            "header_not_allowed",
            "headers.Content-Length",
        ),
        (
            {"headers": [{"key": "X-A", "value": "a\r\nX-B: b"}]},
            "invalid_header_value",
            "headers.X-A",
        ),
        ({"headers": [{"key": "X-A"}]}, "header_without_value", "headers.X-A"),
        (
            {"headers": [{"key": "X-A", "value": "1"}, {"key": "x-a", "value": "2"}]},
            "header_repeated",
            "headers",
        ),
        ({"root": ROOT}, "unknown_field", "root"),
    ],
)
def test_a_bad_integration_is_refused_by_its_field(
    ours: Side, body: dict[str, Any], code: str, field: str
) -> None:
    given = {"name": "Crm", "root_url": ROOT, **body}
    refused(ours.call("POST", "/v1/integrations", given), 422, code, field)


def test_a_name_is_taken_in_whatever_case(ours: Side) -> None:
    an_integration(ours)
    answer = ours.call("POST", "/v1/integrations", {"name": "CRM", "root_url": ROOT})
    refused(answer, 409, "name_taken", "name")


def test_only_admins_change_what_all_webhooks_share(two: Two) -> None:
    made = an_integration(two.ours)
    path = f"/v1/integrations/{made['id']}"
    body = {"name": "x", "root_url": "https://elsewhere.example/"}
    assert two.ours.call("POST", "/v1/integrations", body, "editor").status_code == 403
    assert two.ours.call("PATCH", path, body, "editor").status_code == 403
    assert two.ours.call("DELETE", path, role="editor").status_code == 403
    assert two.ours.call("GET", path, role="viewer").status_code == 200
    assert two.theirs.call("GET", path).status_code == 404
    assert two.theirs.call("PATCH", path, {"name": "x"}).status_code == 404
    body = {"integration": made["id"]}
    answer = two.theirs.call("POST", "/v1/webhooks", body)
    refused(answer, 422, "unknown_integration", "integration")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"integration": "int_none"}, "unknown_integration", "integration"),
        ({"rate_per_s": 5}, "rate_shared", "rate_per_s"),
        ({"shards": 2}, "shards_shared", "shards"),
        ({"integration": None}, "missing", "url"),
    ],
)
def test_a_webhook_that_cannot_belong_to_an_integration_is_refused(
    ours: Side, body: dict[str, Any], code: str, field: str
) -> None:
    made = an_integration(ours)
    answer = ours.call("POST", "/v1/webhooks", {"integration": made["id"], **body})
    refused(answer, 422, code, field)


def test_an_http_root_is_refused_where_the_policy_wants_https(ours: Side) -> None:
    made = an_integration(ours, root_url="http://api.example.com/")
    body = {"integration": made["id"], "policy": "workestra"}
    refused(ours.call("POST", "/v1/webhooks", body), 422, "invalid_url", "url")
    safe = an_integration(ours, name="Safe")
    a_webhook(ours, safe, policy="prestavi", name="strict")
    answer = ours.call("PATCH", f"/v1/integrations/{safe['id']}", {"root_url": "http://x.example/"})
    refused(answer, 409, "integration_in_use", "root_url")
    assert "strict" in answer.json()["detail"]


def test_a_root_that_would_send_a_part_to_another_host_is_refused(ours: Side) -> None:
    made = an_integration(ours)
    a_webhook(ours, made, url="orders")
    path = f"/v1/integrations/{made['id']}"
    answer = ours.call("PATCH", path, {"root_url": "https://api.example.com"})
    refused(answer, 409, "integration_in_use", "root_url")
    assert ours.call("GET", path).json()["root_url"] == ROOT


def test_an_edit_flows_into_its_webhooks(two: Two) -> None:
    """M5, and versions: a delivery never meets a webhook older than itself."""
    made = an_integration(two.ours, headers=[SECRET])
    webhook = a_webhook(two.ours, made, url="orders?x=1")
    first = the_record(two)
    assert (first.url, first.lane, first.version) == (ROOT + "orders?x=1", made["id"], 1)
    assert open_webhook(first, sealing_keys()).headers == ((b"Authorization", b"Bearer planted"),)
    headers = [{"key": "authorization", "private": True}, {"key": "X-New", "value": "1"}]
    change = {"root_url": "https://b.example/", "headers": headers, "rate_per_s": 7, "shards": 3}
    path = f"/v1/integrations/{made['id']}"
    assert two.ours.call("PATCH", path, change).status_code in (200, 202)
    after = the_record(two)
    assert (after.url, after.version) == ("https://b.example/orders?x=1", 2)
    assert (after.rate_per_s, after.shards) == (7.0, 3)
    assert open_webhook(after, sealing_keys()).headers == (
        (b"authorization", b"Bearer planted"),
        (b"X-New", b"1"),
    )
    seen = two.ours.call("GET", f"/v1/webhooks/{webhook['id']}").json()
    assert (seen["version"], seen["full_url"]) == (2, after.url)
    refused(two.ours.call("DELETE", path), 409, "integration_in_use")
    two.ours.call("DELETE", f"/v1/webhooks/{webhook['id']}")
    assert two.ours.call("DELETE", path).status_code == 200
    refused(
        two.ours.call("POST", "/v1/webhooks", {"integration": made["id"]}),
        422,
        "unknown_integration",
        "integration",
    )


def test_a_webhook_comes_to_an_integration_and_leaves_it(two: Two) -> None:
    made = an_integration(two.ours, rate_per_s=5)
    webhook = two.ours.made("/v1/webhooks", {"url": "https://a.example/x", "rate_per_s": 3})
    path = f"/v1/webhooks/{webhook['id']}"
    joins = {"integration": made["id"], "url": ""}
    refused(two.ours.call("PATCH", path, joins), 422, "rate_shared", "rate_per_s")
    two.ours.call("PATCH", path, {**joins, "rate_per_s": None})
    assert (the_record(two).lane, the_record(two).rate_per_s) == (made["id"], 5.0)
    assert the_record(two).url == ROOT
    two.ours.call("PATCH", path, {"integration": None, "url": "https://a.example/x"})
    assert (the_record(two).lane, the_record(two).rate_per_s) == (webhook["id"], None)


def test_what_a_webhook_shows_can_be_sent_back(two: Two) -> None:
    """Inherited headers are told apart, and not taken for its own."""
    made = an_integration(two.ours, headers=[SECRET, {"key": "X-A", "value": "theirs"}])
    own = [{"key": "x-a", "value": "mine"}, {"key": "X-P", "value": "own", "private": True}]
    webhook = a_webhook(two.ours, made, headers=own)
    assert webhook["headers"] == [
        {"key": "Authorization", "value": None, "private": True, "inherited": True},
        {"key": "x-a", "value": "mine", "private": False, "inherited": False},
        {"key": "X-P", "value": None, "private": True, "inherited": False},
    ]
    path = f"/v1/webhooks/{webhook['id']}"
    answer = two.ours.call("PATCH", path, {"headers": webhook["headers"]})
    assert answer.json()["headers"] == webhook["headers"]
    off = two.ours.call("PATCH", path, {"headers_off": ["AUTHORIZATION"]}).json()
    assert [header["key"] for header in off["headers"]] == ["x-a", "X-P"]
    page = two.ours.call("GET", "/v1/webhooks").json()["items"]
    assert page[0]["headers"] == off["headers"]


def test_a_header_that_a_webhook_signs_in_cannot_be_inherited(ours: Side) -> None:
    made = an_integration(ours)
    scheme = {"scheme": "sha256", "header": "X-Signed"}
    policy = ours.made("/v1/policies", {"name": "mine", "signature": scheme})
    a_webhook(ours, made, policy=policy["id"], secret="planted-secret")
    headers = [{"key": "x-signed", "value": "1"}]
    answer = ours.call("PATCH", f"/v1/integrations/{made['id']}", {"headers": headers})
    refused(answer, 422, "header_not_allowed", "headers.x-signed")


def test_integrations_go_with_their_workspace_and_keep_no_secret(two: Two) -> None:
    made = an_integration(two.ours, headers=[SECRET])
    a_webhook(two.ours, made)
    assert call(two.url, OPERATOR, "DELETE", "/v1/workspaces/ours").status_code in (200, 202)
    with two.pool.connection() as connection:
        rows = connection.execute("SELECT state, headers FROM integrations").fetchall()
    assert [(state, bytes(headers)) for state, headers in rows] == [("deleted", b"\x90")]


def test_an_integration_with_too_many_webhooks_is_not_edited(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = an_integration(two.ours)
    for _ in range(3):
        a_webhook(two.ours, made)
    monkeypatch.setattr(followers, "MOST_WEBHOOKS", 2)
    answer = two.ours.call("PATCH", f"/v1/integrations/{made['id']}", {"name": "x"})
    refused(answer, 409, "integration_too_used")
