"""Headers of webhooks and of signatures: what is refused when it is saved, by its field."""

import itertools

import pytest

from hookstream.store.webhooks import compiled
from tests.console.conftest import Two
from tests.console.served import Side
from tests.console.test_webhooks import URL, refused

FRAMING = [
    "Host", "content-length", "Transfer-Encoding", "CONNECTION", "Keep-Alive", "TE", "Trailer",
    "Upgrade", "Expect", "Proxy-Authorization", "proxy-connection",
]  # fmt: skip
_numbers = itertools.count(1)
OURS = ["webhook-id", "Webhook-Timestamp", "WEBHOOK-SIGNATURE", "webhook-anything"]


def name() -> str:
    """Of a policy, used once."""
    return f"policy-{next(_numbers)}"


def everywhere(side: Side, headers: list[dict[str, object]], code: str, field: str) -> None:
    """Refused when a webhook, or an integration, is made with these or changed to them."""
    bodies: dict[str, dict[str, object]] = {
        "/v1/webhooks": {"url": URL},
        "/v1/integrations": {"name": name(), "root_url": URL},
    }
    for path, body in bodies.items():
        answer = side.call("POST", path, body | {"headers": headers})
        refused(answer, 422, code, field)
        answer = side.call("PATCH", f"{path}/{_made(side, path, body)}", {"headers": headers})
        refused(answer, 422, code, field)


_kept: dict[tuple[str, str], str] = {}


def _made(side: Side, path: str, body: dict[str, object]) -> str:
    """Id of one that is there to be changed; no change of these tests may succeed."""
    if (side.url, path) not in _kept:
        _kept[side.url, path] = str(side.made(path, body)["id"])
    return _kept[side.url, path]


@pytest.mark.parametrize("private", [False, True])
def test_headers_of_the_connection_and_of_ours_are_refused(
    side_of_file: Side, private: bool
) -> None:
    for given in FRAMING + OURS:
        header = {"key": given, "value": "x", "private": private}
        everywhere(side_of_file, [header], "header_not_allowed", f"headers.{given}")


@pytest.mark.parametrize("name", ["a b", "a:b", "X\r\nEvil", "X-É", "X\x00", "(x)", "x\n"])
def test_names_that_are_no_names_are_refused(side_of_file: Side, name: str) -> None:
    everywhere(
        side_of_file, [{"key": name, "value": "x"}], "invalid_header_name", f"headers.{name}"
    )


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize(
    "value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "\x00", "\x7f", " a", "a ", "a\t", "π"]
)
def test_values_that_a_header_cannot_carry_are_refused(
    side_of_file: Side, value: str, private: bool
) -> None:
    header: dict[str, object] = {"key": "X-A", "value": value, "private": private}
    everywhere(side_of_file, [header], "invalid_header_value", "headers.X-A")


def test_sizes_and_numbers_have_bounds(side_of_file: Side) -> None:
    everywhere(side_of_file, [{"key": "x" * 129, "value": "x"}], "string_too_long", "headers.key")
    everywhere(side_of_file, [{"key": "", "value": "x"}], "string_too_short", "headers.key")
    everywhere(
        side_of_file, [{"key": "X-A", "value": "x" * 4097}], "string_too_long", "headers.value"
    )
    many: list[dict[str, object]] = [{"key": f"X-{n}", "value": "x"} for n in range(33)]
    everywhere(side_of_file, many, "too_long", "headers")


def test_a_name_stands_once_in_whatever_case(side_of_file: Side) -> None:
    twice: list[dict[str, object]] = [{"key": "X-A", "value": "1"}, {"key": "x-a", "value": "2"}]
    everywhere(side_of_file, twice, "header_repeated", "headers")


def test_a_content_type_with_a_line_break_is_refused(side_of_file: Side) -> None:
    for value in ("a\r\nX-Evil: 1", "a/b\n", " a/b"):
        body = {"url": URL, "content_type": value}
        refused(
            side_of_file.call("POST", "/v1/webhooks", body),
            422,
            "invalid_header_value",
            "content_type",
        )
        path = f"/v1/webhooks/{side_of_file.made('/v1/webhooks', {'url': URL})['id']}"
        answer = side_of_file.call("PATCH", path, {"content_type": value})
        refused(answer, 422, "invalid_header_value", "content_type")


def test_the_header_of_the_signature_is_not_the_webhooks_to_set(two: Two) -> None:
    signature = {"scheme": "sha256", "header": "X-Acme-Signature", "prefix": "sha256="}
    rules = two.ours.made("/v1/policies", {"name": name(), "signature": signature})
    own = [{"key": "x-acme-SIGNATURE", "value": "forged"}]
    field = "headers.x-acme-SIGNATURE"
    body = {"url": URL, "headers": own}
    answer = two.ours.call("POST", "/v1/webhooks", body | {"policy": rules["id"]})
    refused(answer, 422, "header_not_allowed", field)
    made = two.ours.made("/v1/webhooks", body)
    answer = two.ours.call("PATCH", f"/v1/webhooks/{made['id']}", {"policy": rules["id"]})
    refused(answer, 422, "header_not_allowed", field)
    (webhook,) = compiled(two.pool, "ours")
    assert (webhook.version, webhook.policy.id) == (1, "standard")


def test_an_integration_does_not_bring_the_header_of_a_signature(ours: Side) -> None:
    signature = {"scheme": "sha256", "header": "X-Acme-Signature"}
    rules = ours.made("/v1/policies", {"name": "signed", "signature": signature})
    forged = {"headers": [{"key": "x-acme-signature", "value": "forged"}]}
    shared = ours.made("/v1/integrations", {"name": "one", "root_url": URL})
    path = f"/v1/integrations/{shared['id']}"
    webhook = ours.made("/v1/webhooks", {"integration": shared["id"], "policy": rules["id"]})
    answer = ours.call("PATCH", path, forged)
    assert (answer.status_code, answer.json()["code"]) == (422, "header_not_allowed")
    assert "x-acme-signature" in answer.json()["field"] + answer.json()["detail"]
    ours.call("DELETE", f"/v1/webhooks/{webhook['id']}")
    assert ours.call("PATCH", path, forged).status_code == 200
    body = {"integration": shared["id"], "policy": rules["id"]}
    answer = ours.call("POST", "/v1/webhooks", body)
    refused(answer, 422, "header_not_allowed", "headers.x-acme-signature")
    ours.made("/v1/webhooks", body | {"headers_off": ["X-Acme-Signature"]})


def test_a_policy_cannot_take_the_header_of_a_webhook_that_follows_it(side_of_file: Side) -> None:
    signature = {"scheme": "sha256", "header": "X-One"}
    rules = side_of_file.made("/v1/policies", {"name": name(), "signature": signature})
    body = {"url": URL, "policy": rules["id"], "headers": [{"key": "X-Two", "value": "1"}]}
    made = side_of_file.made("/v1/webhooks", body)
    path = f"/v1/policies/{rules['id']}"
    answer = side_of_file.call("PATCH", path, {"signature": {**signature, "header": "x-two"}})
    refused(answer, 422, "header_not_allowed", "signature.header")
    assert (
        side_of_file.call("PATCH", path, {"signature": {**signature, "header": "X-3"}}).status_code
        == 202
    )
    assert side_of_file.call("GET", f"/v1/webhooks/{made['id']}").json()["version"] == 2


@pytest.mark.parametrize("scheme", ["sha256", "secret"])
@pytest.mark.parametrize(
    ("signature", "code", "field"),
    [
        *[({"header": name}, "header_not_allowed", "header") for name in FRAMING + OURS],
        ({"header": "Content-Type"}, "header_not_allowed", "header"),
        ({"header": "user-agent"}, "header_not_allowed", "header"),
        ({"header": ""}, "invalid_header_name", "header"),
        ({"header": "X\r\nEvil"}, "invalid_header_name", "header"),
        ({}, "header_not_allowed", "header"),
        ({"header": "X-A", "prefix": " x"}, "invalid_header_value", "prefix"),
        ({"header": "X-A", "prefix": "a\nb"}, "string_pattern_mismatch", "prefix"),
    ],
)
def test_a_policy_signs_in_no_header_that_means_something_else(
    side_of_file: Side, scheme: str, signature: dict[str, str], code: str, field: str
) -> None:
    body = {"name": name(), "signature": {"scheme": scheme, **signature}}
    refused(side_of_file.call("POST", "/v1/policies", body), 422, code, f"signature.{field}")


@pytest.mark.parametrize("scheme", ["standard", "standard_v1a"])
def test_standard_webhooks_signs_in_its_own_header(side_of_file: Side, scheme: str) -> None:
    for given, field in (({"header": "X-Acme"}, "header"), ({"prefix": "v1="}, "prefix")):
        body = {"name": name(), "signature": {"scheme": scheme, **given}}
        answer = side_of_file.call("POST", "/v1/policies", body)
        refused(answer, 422, "signature_fixed", f"signature.{field}")
    side_of_file.made("/v1/policies", {"name": name(), "signature": {"scheme": scheme}})


def test_a_secret_may_stand_behind_bearer(side_of_file: Side) -> None:
    signature = {"scheme": "secret", "header": "Authorization", "prefix": "Bearer "}
    side_of_file.made("/v1/policies", {"name": name(), "signature": signature})
