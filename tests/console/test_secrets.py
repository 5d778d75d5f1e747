"""Secrets of webhooks: made up, typed, rotated, refused; what the API shows of them."""

import base64
import itertools
from datetime import UTC, datetime

import httpx2
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hookstream.model.opened import Opened, open_webhook
from hookstream.store.webhooks import compiled
from tests.console.conftest import Two
from tests.console.served import Side, sealing_keys
from tests.console.test_webhooks import URL, everything, refused

_numbers = itertools.count(1)
FAR_MS = 4_102_444_800_000
TYPED = "whsec_" + base64.b64encode(b"typed" * 6).decode()


def policy(side: Side, scheme: str, **signature: str) -> str:
    """Id of a policy that signs so."""
    fields = {"scheme": scheme, **signature}
    if scheme in ("sha256", "secret"):
        fields = {"header": "X-Acme", **fields}
    return str(
        side.made("/v1/policies", {"name": f"{scheme}-{next(_numbers)}", "signature": fields})["id"]
    )


def opened(two: Two) -> Opened:
    """The only webhook of ours as the deliverer holds it."""
    (webhook,) = compiled(two.pool, "ours")
    return open_webhook(webhook, sealing_keys())


def raw(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def until(key: dict[str, str]) -> float:
    return datetime.fromisoformat(key["until"]).timestamp()


def test_a_rotation_puts_the_new_secret_first_and_the_old_one_beside_it_for_a_day(two: Two) -> None:
    made = two.ours.made("/v1/webhooks", {"url": URL})
    path = f"/v1/webhooks/{made['id']}"
    before = datetime.now(UTC).timestamp()
    answer = two.ours.call("POST", f"{path}/secret/rotate")
    after = answer.json()
    assert after["version"] == 2
    assert answer.headers["etag"] == '"2"'
    new, old = after["signing_keys"]
    assert new == {"until": None, "public_key": None}
    assert 86_395 < until(old) - before < 86_500
    assert opened(two).keys == (raw(after["secret"]), raw(made["secret"]))
    assert opened(two).keys_at(FAR_MS) == (raw(after["secret"]),)
    shown = two.ours.call("GET", path).json()
    assert (shown["secret"], shown["signing_keys"]) == (None, after["signing_keys"])


def test_a_typed_secret_that_is_kept_for_no_time_replaces_the_old_one_at_once(two: Two) -> None:
    made = two.ours.made("/v1/webhooks", {"url": URL})
    path = f"/v1/webhooks/{made['id']}/secret/rotate"
    two.ours.call("POST", path)
    after = two.ours.call("POST", path, {"secret": TYPED, "keep_s": 0}).json()
    assert after["secret"] == TYPED
    assert len(after["signing_keys"]) == 1
    assert opened(two).keys == (raw(TYPED),)


def test_there_are_three_secrets_at_most_and_an_earlier_end_stays(two: Two) -> None:
    made = two.ours.made("/v1/webhooks", {"url": URL})
    path = f"/v1/webhooks/{made['id']}/secret/rotate"
    first = two.ours.call("POST", path, {"keep_s": 600}).json()["signing_keys"][1]
    after = two.ours.call("POST", path, {"keep_s": 6000}).json()
    assert len(after["signing_keys"]) == 3
    assert after["signing_keys"][2] == first
    hint = refused(two.ours.call("POST", path), 409, "too_many_secrets")
    assert "keep_s 0" in hint
    shorter = two.ours.call("POST", path, {"keep_s": 0}).json()
    assert len(shorter["signing_keys"]) == 1


def test_a_shorter_time_ends_older_secrets_sooner(two: Two) -> None:
    made = two.ours.made("/v1/webhooks", {"url": URL})
    path = f"/v1/webhooks/{made['id']}/secret/rotate"
    two.ours.call("POST", path)
    keys = two.ours.call("POST", path, {"keep_s": 60}).json()["signing_keys"]
    assert keys[1]["until"] == keys[2]["until"]


@pytest.mark.parametrize(("method", "step"), [("PATCH", ""), ("POST", "/pause")])
def test_a_secret_that_has_ended_is_gone_with_the_next_change(
    two: Two, database: str, method: str, step: str
) -> None:
    made = two.ours.made("/v1/webhooks", {"url": URL})
    path = f"/v1/webhooks/{made['id']}"
    two.ours.call("POST", f"{path}/secret/rotate")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE webhooks SET secrets_until_ms = '{0, 1}'")
    assert len(two.ours.call("GET", path).json()["signing_keys"]) == 1
    two.ours.call(method, path + step, {"description": "new"} if method == "PATCH" else None)
    (webhook,) = compiled(two.pool, "ours")
    assert (len(webhook.secrets), webhook.secrets_until_ms) == (1, ())


def test_a_change_of_the_secret_replaces_all(two: Two) -> None:
    made = two.ours.made("/v1/webhooks", {"url": URL})
    path = f"/v1/webhooks/{made['id']}"
    two.ours.call("POST", f"{path}/secret/rotate")
    changed = two.ours.call("PATCH", path, {"secret": TYPED}).json()
    assert changed["signing_keys"] == [{"until": None, "public_key": None}]
    assert opened(two).keys == (raw(TYPED),)


def test_the_public_key_of_an_asymmetric_secret_is_always_shown(two: Two) -> None:
    asymmetric = policy(two.ours, "standard_v1a")
    made = two.ours.made("/v1/webhooks", {"url": URL, "policy": asymmetric})
    assert made["secret"].startswith("whsk_")
    seed = base64.b64decode(made["secret"].removeprefix("whsk_"))
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    shown = f"whpk_{base64.b64encode(public).decode()}"
    path = f"/v1/webhooks/{made['id']}"
    assert two.ours.call("GET", path).json()["signing_keys"][0]["public_key"] == shown
    rotated = two.ours.call("POST", f"{path}/secret/rotate").json()["signing_keys"]
    assert rotated[1]["public_key"] == shown
    assert rotated[0]["public_key"] not in (None, shown)
    moved = two.ours.call("PATCH", path, {"policy": "standard"}).json()
    assert moved["signing_keys"] == [{"until": None, "public_key": None}]


def test_a_rotation_of_another_version_is_a_412(ours: Side) -> None:
    made = ours.made("/v1/webhooks", {"url": URL})
    path = f"/v1/webhooks/{made['id']}/secret/rotate"
    assert ours.call("POST", path, {"version": 1}).status_code == 202
    refused(ours.call("POST", path, {"version": 1}), 412, "stale")
    refused(ours.call("POST", path, if_match='"1"'), 412, "stale")


def test_who_may_rotate(two: Two) -> None:
    made = two.ours.made("/v1/webhooks", {"url": URL})
    path = f"/v1/webhooks/{made['id']}/secret/rotate"
    refused(two.ours.call("POST", path, role="viewer"), 403, "role_too_low")
    refused(two.theirs.call("POST", path), 404, "not_found")


@pytest.mark.parametrize(
    ("scheme", "body", "code", "field"),
    [
        ("standard", {"secret": "your_webhook_secret"}, "invalid_secret", "secret"),
        ("standard", {"secret": "whsk_" + "A" * 43 + "="}, "invalid_secret", "secret"),
        ("standard", {"secret": "x" * 257}, "string_too_long", "secret"),
        ("standard", {"secret": 17}, "string_type", "secret"),
        ("standard_v1a", {"secret": TYPED}, "invalid_secret", "secret"),
        ("standard_v1a", {"secret": "whsk_AAAA"}, "invalid_secret", "secret"),
        ("sha256", {"secret": "short"}, "invalid_secret", "secret"),
        ("sha256", {"secret": ""}, "invalid_secret", "secret"),
        ("secret", {"secret": "a\r\nX-Evil: 1"}, "invalid_secret", "secret"),
        ("secret", {"secret": "schlüssel"}, "invalid_secret", "secret"),
        ("none", {"secret": "your_webhook_secret"}, "secret_unused", "secret"),
    ],
)
def test_a_bad_secret_is_refused_by_name_when_made_changed_and_rotated(
    side_of_file: Side, scheme: str, body: dict[str, object], code: str, field: str
) -> None:
    rules = policy(side_of_file, scheme)
    refused(
        side_of_file.call("POST", "/v1/webhooks", body | {"url": URL, "policy": rules}),
        422,
        code,
        field,
    )
    made = side_of_file.made("/v1/webhooks", {"url": URL, "policy": rules})
    path = f"/v1/webhooks/{made['id']}"
    refused(side_of_file.call("PATCH", path, body), 422, code, field)
    refused(side_of_file.call("POST", f"{path}/secret/rotate", body), 422, code, field)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"keep_s": -1}, "greater_than_equal", "keep_s"),
        ({"keep_s": 31 * 86_400}, "less_than_equal", "keep_s"),
        ({"keep_s": None}, "int_type", "keep_s"),
        ({"keeps": 1}, "unknown_field", "keeps"),
        ([], "model_attributes_type", ""),
    ],
)
def test_a_bad_rotation_is_refused_by_its_field(
    side_of_file: Side, body: object, code: str, field: str
) -> None:
    made = side_of_file.made("/v1/webhooks", {"url": URL})
    path = f"/v1/webhooks/{made['id']}/secret/rotate"
    refused(side_of_file.call("POST", path, body), 422, code, field)


def test_half_a_character_is_no_secret(two: Two) -> None:
    headers = {"X-API-KEY": two.ours.keys["admin"], "Content-Type": "application/json"}
    body = b'{"url":"%b","secret":"%b"}' % (URL.encode(), rb"\ud800" * 40)
    answer = httpx2.post(f"{two.url}/v1/webhooks", content=body, headers=headers, timeout=60)
    refused(answer, 422, "string_unicode", "secret")


def test_where_nothing_is_signed_nothing_rotates(ours: Side) -> None:
    made = ours.made("/v1/webhooks", {"url": URL, "policy": "postpress"})
    assert made["signing_keys"] == []
    answer = ours.call("POST", f"/v1/webhooks/{made['id']}/secret/rotate")
    refused(answer, 409, "secret_unused")


def test_a_rotation_leaves_a_line_of_names_and_no_secret_anywhere(two: Two, database: str) -> None:
    rules = policy(two.ours, "sha256")
    planted = ["planted-as-the-first", "planted-as-the-second"]
    made = two.ours.made("/v1/webhooks", {"url": URL, "policy": rules, "secret": planted[0]})
    path = f"/v1/webhooks/{made['id']}/secret/rotate"
    assert two.ours.call("POST", path, {"secret": planted[1]}).json()["secret"] == planted[1]
    with psycopg.connect(database) as connection:
        line = connection.execute(
            "SELECT version, changed FROM audit WHERE action = 'rotate secret'"
        ).fetchone()
    assert line == (2, ["secrets", "secrets_until_ms"])
    text = everything(database)
    for secret in planted:
        for form in (secret.encode(), base64.b64encode(secret.encode())):
            assert form not in text
