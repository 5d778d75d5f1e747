"""`hookstream apply` on a running console: files say what is to be, and it becomes so."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli.main import main
from tests.system.shared import Shared, Tenant

FILES = """
event_types:
  - {name: order.paid, group: orders, json_schema: {type: object}}
policies:
  - name: quick
    deadline_ms: 2000
    success: [200]
    schedule: {kind: list, delays_ms: [200, 300]}
integrations:
  - name: shop
    root_url: http://127.0.0.1:9/
    headers: [{key: authorization, value: "${SHOP_TOKEN}", private: true}]
webhooks:
  - {name: orders, policy: quick, integration: shop, url: hook, events: [order.*]}
  - {name: all, url: "http://127.0.0.1:9/all", state: paused}
"""
Call = Callable[..., Result]


@pytest.fixture(scope="module")
def running(plain: Shared) -> Shared:
    return plain


@pytest.fixture
def tenant(running: Shared) -> Tenant:
    return running.tenant()


@pytest.fixture
def apply(running: Shared, tenant: Tenant, tmp_path: Path) -> Call:
    """Calls `hookstream apply` with a file of this text."""

    def call(text: str, *words: str) -> Result:
        path = tmp_path / "hooks.yaml"
        path.write_text(text)
        url = running.system.ports.console_url
        return CliRunner().invoke(
            main,
            ["apply", "-f", str(path), "--url", url, "--key", tenant.key, *words],
            env={"SHOP_TOKEN": "planted"},
        )

    return call


def test_files_make_a_workspace_and_a_second_time_nothing(apply: Call, tenant: Tenant) -> None:
    shown = apply(FILES, "--dry-run")
    assert shown.exit_code == 2, shown.output
    assert "5 to create" in shown.output
    assert "planted" not in shown.output
    assert tenant.get("/v1/webhooks")["items"] == []
    made = apply(FILES, "--yes")
    assert made.exit_code == 0, made.output
    by_name = {w["name"]: w for w in tenant.get("/v1/webhooks")["items"]}
    assert by_name["orders"]["full_url"] == "http://127.0.0.1:9/hook"
    assert by_name["all"]["state"] == "paused"
    again = apply(FILES, "--dry-run")
    assert (again.exit_code, again.output) == (0, "Nothing differs.\n")


def test_a_change_is_shown_asked_for_and_made(apply: Call, tenant: Tenant) -> None:
    apply(FILES, "--yes")
    text = FILES.replace("[order.*]", "[order.paid]").replace(", state: paused", ", state: active")
    refused = apply(text)
    assert refused.exit_code == 1
    assert "~ webhooks/orders" in refused.output
    assert "events: ['order.*'] → ['order.paid']" in refused.output
    assert apply(text, "--yes").exit_code == 0
    by_name = {w["name"]: w for w in tenant.get("/v1/webhooks")["items"]}
    assert by_name["orders"]["events"] == ["order.paid"]
    assert by_name["all"]["state"] == "active"


def test_what_no_file_names_stays_unless_it_is_pruned(apply: Call, tenant: Tenant) -> None:
    apply(FILES, "--yes")
    less = "webhooks:\n  - {name: all}\n"
    assert apply(less, "--dry-run").exit_code == 0
    pruned = apply(less, "--yes", "--prune")
    assert pruned.exit_code == 0, pruned.output
    assert [w["name"] for w in tenant.get("/v1/webhooks")["items"]] == ["all"]
    own = [p for p in tenant.get("/v1/policies")["items"] if not p["builtin"]]
    assert (own, tenant.get("/v1/integrations")["items"]) == ([], [])
    assert tenant.get("/v1/event-types")["items"] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("webhooks: [{name: a, ulr: x}]", "webhooks/a: ulr is no field of it; did you mean url?"),
        (
            "webhooks: [{name: a, url: 'http://127.0.0.1:9/', policy: none}]",
            "webhooks/a: policy: there is no 'none' among policies",
        ),
        ("webhooks: [{name: a, url: 'ftp://x'}]", "422"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    apply: Call, tenant: Tenant, text: str, words: str
) -> None:
    refused = apply(text, "--yes")
    assert refused.exit_code == 1
    assert words in refused.output
    assert tenant.get("/v1/webhooks")["items"] == []
