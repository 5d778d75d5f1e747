"""/v1/webhooks: what can be saved, changed, refused, and what is never shown."""

import base64
import threading

import httpx2
import psycopg
import pytest

from hookstream.model.opened import open_webhook
from hookstream.store.webhooks import compiled
from tests.console.conftest import Two
from tests.console.served import Side, sealing_keys

URL = "https://example.com/hooks"


def refused(answer: httpx2.Response, status: int, code: str, field: str = "") -> str:
    """The answer is this problem; its hint."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["code"], body.get("field", "")) == (code, field)
    assert body["status"] == status
    assert body["detail"]
    return str(body.get("hint", ""))


def test_a_webhook_is_made_shown_changed_and_deleted(ours: Side) -> None:
    made = ours.made("/v1/webhooks", {"url": URL, "name": "orders", "events": ["order.*"]})
    assert made["state"] == "active"
    assert made["policy"] == "standard"
    assert made["content_type"] == "application/json"
    path = f"/v1/webhooks/{made['id']}"
    seen = ours.call("GET", path).json()
    assert {field: seen[field] for field in made} == {**made, "secret": None}
    changed = ours.call("PATCH", path, {"description": "new", "events": ["*"]}).json()
    assert (changed["version"], changed["description"], changed["events"]) == (2, "new", ["*"])
    assert changed["secret"] is None
    assert ours.call("DELETE", path).status_code in (200, 202)
    assert ours.call("GET", path).status_code == 404
    assert ours.call("GET", "/v1/webhooks").json()["items"] == []


def test_what_is_compiled_opens_in_the_deliverer(two: Two) -> None:
    headers = [{"key": "X-Plain", "value": "seen"}, {"key": "X-Key", "value": "v", "private": True}]
    made = two.ours.made("/v1/webhooks", {"url": URL, "headers": headers})
    (webhook,) = compiled(two.pool, "ours")
    opened = open_webhook(webhook, sealing_keys())
    assert opened.keys == (base64.b64decode(made["secret"].removeprefix("whsec_")),)
    assert opened.headers == ((b"X-Plain", b"seen"), (b"X-Key", b"v"))
    assert webhook.lane == made["id"]
    assert webhook.policy.id == "standard"


def test_request_url_is_an_alias_and_a_name_is_made_up(ours: Side) -> None:
    made = ours.made("/v1/webhooks", {"request_url": URL})
    assert made["url"] == URL
    assert made["name"].startswith("webhook-")


def test_a_receiver_on_this_machine_may_be_configured_without_https(ours: Side) -> None:
    assert ours.made("/v1/webhooks", {"url": "http://127.0.0.1:9/x"})["url"].startswith(
        "http://127"
    )


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "missing", "url"),
        ({"url": "ftp://example.com"}, "invalid_url", "url"),
        ({"url": URL, "name": "a b"}, "invalid_name", "name"),
        ({"url": URL, "name": ""}, "invalid_name", "name"),
        ({"url": URL, "events": []}, "too_short", "events"),
        ({"url": URL, "events": ["bad type"]}, "invalid_events", "events"),
        ({"url": URL, "policy": "none-such"}, "unknown_policy", "policy"),
        ({"url": URL, "policy": "pol_of_theirs"}, "unknown_policy", "policy"),
        ({"url": URL, "secret": "short"}, "invalid_secret", "secret"),
        ({"url": URL, "rate_per_s": 0}, "greater_than", "rate_per_s"),
        (
            {"url": URL, "headers": [{"key": "Host", "value": "x"}]},
            "header_not_allowed",
            "headers.Host",
        ),
        (
            {"url": URL, "headers": [{"key": "A", "value": "x\ny"}]},
            "invalid_header_value",
            "headers.A",
        ),
        ({"url": URL, "headers": [{"key": "A"}]}, "header_without_value", "headers.A"),
        (
            {"url": URL, "headers": [{"key": "A", "value": "1"}, {"key": "a", "value": "2"}]},
            "header_repeated",
            "headers",
        ),
        ({"url": "http://example.com", "policy": "prestavi"}, "invalid_url", "url"),
        ({"url": URL, "policy": "postpress", "secret": "x" * 20}, "secret_unused", "secret"),
        ({"url": URL, "evnts": ["*"]}, "unknown_field", "evnts"),
        ({"url": URL, "headers": [{"kye": "A", "value": "1"}]}, "unknown_field", "headers.kye"),
    ],
)
def test_a_bad_webhook_is_refused_by_its_field(
    ours: Side, body: dict[str, object], code: str, field: str
) -> None:
    refused(ours.call("POST", "/v1/webhooks", body), 422, code, field)


def test_a_mistyped_field_is_told_the_near_name(ours: Side) -> None:
    answer = ours.call("POST", "/v1/webhooks", {"url": URL, "evnts": ["*"]})
    assert "events" in refused(answer, 422, "unknown_field", "evnts")
    answer = ours.call("POST", "/v1/webhooks", {"url": URL, "policy": "standrad"})
    assert "standard" in refused(answer, 422, "unknown_policy", "policy")


def test_broken_json_is_a_400(two: Two) -> None:
    answer = httpx2.post(
        f"{two.url}/v1/webhooks",
        content=b"{",
        headers={"X-API-KEY": two.ours.keys["admin"], "Content-Type": "application/json"},
        timeout=60,
    )
    refused(answer, 400, "json_invalid")


def test_a_workspace_that_refuses_unknown_types_checks_what_a_webhook_asks_for(ours: Side) -> None:
    ours.call("PATCH", "/v1/workspaces/ours", {"unknown_types": "refuse"})
    ours.made("/v1/event-types", {"name": "contact.created"})
    answer = ours.call("POST", "/v1/webhooks", {"url": URL, "events": ["contact.craeted"]})
    assert "contact.created" in refused(answer, 422, "unknown_type", "events")


def test_of_two_writers_racing_for_one_name_one_wins(ours: Side) -> None:
    barrier = threading.Barrier(2)
    answers: list[int] = []

    def race(name: str) -> None:
        barrier.wait()
        answers.append(ours.call("POST", "/v1/webhooks", {"url": URL, "name": name}).status_code)

    for turn in range(5):
        threads = [threading.Thread(target=race, args=(n,)) for n in (f"Same{turn}", f"same{turn}")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert sorted(answers) == [202] * 5 + [409] * 5


def test_a_taken_name_is_a_409(ours: Side) -> None:
    ours.made("/v1/webhooks", {"url": URL, "name": "Orders"})
    refused(
        ours.call("POST", "/v1/webhooks", {"url": URL, "name": "ORDERS"}), 409, "name_taken", "name"
    )


def test_a_system_name_never_changes(ours: Side) -> None:
    made = ours.made("/v1/webhooks", {"url": URL, "name": "orders"})
    path = f"/v1/webhooks/{made['id']}"
    refused(ours.call("PATCH", path, {"name": "other"}), 422, "name_fixed", "name")


def test_a_change_of_an_old_version_is_a_412(ours: Side) -> None:
    made = ours.made("/v1/webhooks", {"url": URL})
    path = f"/v1/webhooks/{made['id']}"
    etag = ours.call("GET", path).headers["etag"]
    assert ours.call("PATCH", path, {"description": "1"}, if_match=etag).status_code == 202
    refused(ours.call("PATCH", path, {"description": "2"}, if_match=etag), 412, "stale")
    refused(ours.call("PATCH", path, {"description": "2", "version": 1}), 412, "stale")
    refused(ours.call("DELETE", path, if_match=etag), 412, "stale")


def test_pausing_disabling_and_back(ours: Side) -> None:
    made = ours.made("/v1/webhooks", {"url": URL})
    path = f"/v1/webhooks/{made['id']}"
    steps = [
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "active"),
        ("disable", "disabled"),
    ]
    for step, state in [*steps, ("enable", "active")]:
        assert ours.call("POST", f"{path}/{step}").json()["state"] == state
    hint = refused(ours.call("POST", f"{path}/explode"), 422, "literal_error", "step")
    ours.call("POST", f"{path}/disable")
    hint = refused(ours.call("POST", f"{path}/resume"), 409, "wrong_state", "state")
    assert "enable" in hint
    assert ours.call("GET", path).json()["version"] == 6


def test_a_private_header_keeps_its_value_when_it_is_sent_back_as_shown(two: Two) -> None:
    headers = [{"key": "X-Key", "value": "private-value", "private": True}]
    made = two.ours.made("/v1/webhooks", {"url": URL, "headers": headers})
    path = f"/v1/webhooks/{made['id']}"
    shown = two.ours.call("GET", path).json()["headers"]
    assert shown == [{"key": "X-Key", "value": None, "private": True, "inherited": False}]
    two.ours.call("PATCH", path, {"headers": [*shown, {"key": "Y", "value": "2"}]})
    (webhook,) = compiled(two.pool, "ours")
    assert open_webhook(webhook, sealing_keys()).headers == (
        (b"X-Key", b"private-value"),
        (b"Y", b"2"),
    )


def test_another_way_to_sign_brings_another_secret(ours: Side) -> None:
    made = ours.made("/v1/webhooks", {"url": URL})
    path = f"/v1/webhooks/{made['id']}"
    assert ours.call("PATCH", path, {"policy": "postpress"}).json()["secret"] is None
    typed = ours.call("PATCH", path, {"policy": "workestra", "secret": "mysecret-of-my-own"})
    assert typed.json()["secret"] == "mysecret-of-my-own"
    again = ours.call("PATCH", path, {"policy": "standard"}).json()["secret"]
    assert again.startswith("whsec_")
    assert again != made["secret"]


def test_content_type_follows_the_policy_and_can_be_said(ours: Side) -> None:
    assert ours.made("/v1/webhooks", {"url": URL, "policy": "postpress"})["content_type"] is None
    body = {"url": URL, "content_type": "application/x-y"}
    assert ours.made("/v1/webhooks", body)["content_type"] == "application/x-y"
    assert ours.made("/v1/webhooks", {"url": URL, "content_type": None})["content_type"] is None


def test_lists_come_in_pages(ours: Side) -> None:
    made = [ours.made("/v1/webhooks", {"url": URL})["id"] for _ in range(5)]
    found, cursor = [], ""
    for _ in range(3):
        answer = ours.call("GET", f"/v1/webhooks?limit=2&cursor={cursor}").json()
        found += [item["id"] for item in answer["items"]]
        cursor = answer["next"]
    assert found == made
    assert cursor is None
    refused(ours.call("GET", "/v1/webhooks?cursor=%00x"), 422, "invalid_cursor", "cursor")
    refused(ours.call("GET", "/v1/webhooks?limit=101"), 422, "less_than_equal", "limit")


def test_no_planted_secret_is_in_any_table(two: Two, database: str) -> None:
    planted = ["planted-signing-secret", "planted-header-value", "planted-after-a-change"]
    body = {"url": URL, "policy": "workestra", "secret": planted[0]}
    body["headers"] = [{"key": "Authorization", "value": planted[1], "private": True}]  # type: ignore[assignment]
    made = two.ours.made("/v1/webhooks", body)
    two.ours.call("PATCH", f"/v1/webhooks/{made['id']}", {"secret": planted[2]})
    planted += two.ours.keys.values()
    text = everything(database)
    assert made["id"].encode() in text
    for secret in planted:
        for form in (
            secret.encode(),
            base64.b64encode(secret.encode()),
            secret.encode().hex().encode(),
        ):
            assert form not in text


def everything(database: str) -> bytes:
    """Every value of every table, as bytes and as Postgres writes them."""
    found: list[bytes] = []
    with psycopg.connect(database) as connection:
        tables = connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relkind = 'r'"
        ).fetchall()
        assert len(tables) >= 8
        for (table,) in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'.encode()).fetchall():
                found += [v if isinstance(v, bytes) else repr(v).encode() for v in row]
    return b"\n".join(found)
