"""Dashboards and alerts against what a running system really emits."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Any, NamedTuple

import psycopg
import pytest
import yaml

from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.postgres import EmbeddedPostgres
from tests.fixtures.kafka import wait_until
from tests.fixtures.receiver import Receiver
from tests.system import every_path, promql
from tests.system.collector import Collector
from tests.system.every_path import Sample
from tests.system.shared import Shared, shared
from tests.system.test_tracing import BESIDE, WAY
from tests.unit.metrics_declared import declared, prometheus_name

ROOT = Path(__file__).parents[2]
BOARDS = sorted((ROOT / "observability" / "dashboards").glob("*.json"))
ALERTS = ROOT / "observability" / "alerts.yaml"
KEDA = ROOT / "k8s" / "components" / "keda" / "scaling.yaml"
TARGET = {"job", "instance", "service_name"}
"""What Prometheus, and the resource, add to every series."""
WITHIN_S = 60


class Emitted(NamedTuple):
    """What one run of the system told."""

    running: Shared
    collector: Collector
    samples: list[Sample]
    webhook: str
    secrets: list[str]
    """Words that no metric may hold: whose webhook it was, and where it went."""


@pytest.fixture(scope="module")
def emitted(broker: EmbeddedKafka, postgres: EmbeddedPostgres) -> Iterator[Emitted]:
    receiver = Receiver()
    settings = {
        "HOOKSTREAM_TELEMETRY_METRICS_EVERY_S": "1",
        "HOOKSTREAM_TELEMETRY_SAMPLE_RATIO": "0",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with Collector() as collector:
        settings["HOOKSTREAM_TELEMETRY_OTLP_ENDPOINT"] = collector.url
        with shared(broker, postgres, **settings) as running:
            walked = every_path.walk(running, receiver)
            yield Emitted(running, collector, _all(running), walked.webhook, walked.words)
    receiver.close()


def _all(running: Shared) -> list[Sample]:
    """Everything at /metrics, once nothing that is declared or asked for is missing: some is known
    a few seconds later. What is missing even then is for the tests to tell."""
    samples: list[Sample] = []

    def complete() -> bool:
        samples[:] = every_path.scraped(running.system)
        return not _missing(samples)

    with suppress(AssertionError):
        wait_until(complete, WITHIN_S)
    return samples


def _missing(samples: list[Sample]) -> set[str]:
    there = {name for name, _ in samples}
    missing = {each.name for each in declared() if prometheus_name(each) not in there}
    for path in BOARDS:
        for query in queries(json.loads(path.read_text())["panels"], "expr"):
            try:
                promql.labels(of_grafana(query), samples)
            except promql.Unknown as unknown:
                missing.add(str(unknown))
    return missing


def queries(panels: list[dict[str, Any]], key: str) -> Iterator[str]:
    for panel in panels:
        yield from (target[key] for target in panel.get("targets", ()) if key in target)


def of_grafana(query: str) -> str:
    """As Grafana sends it, its variables filled in."""
    return query.replace("$__rate_interval", "1m").replace("$service", ".*")


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_query_of_a_dashboard_finds_what_was_emitted(emitted: Emitted, path: Path) -> None:
    board = json.loads(path.read_text())
    for query in queries(board["panels"], "expr"):
        promql.labels(of_grafana(query), emitted.samples)
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
            assert found
            assert found[2] in promql.labels(found[1], emitted.samples)


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_legend_names_labels_that_its_query_yields(emitted: Emitted, path: Path) -> None:
    for panel in json.loads(path.read_text())["panels"]:
        for target in panel.get("targets", ()):
            named = set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "")))
            if named:
                assert named <= promql.labels(of_grafana(target["expr"]), emitted.samples)


def test_every_alert_finds_what_was_emitted_and_names_labels_that_it_has(
    emitted: Emitted,
) -> None:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    recorded: list[Sample] = [(rule["record"], {}) for rule in rules if "record" in rule]
    for rule in rules:
        found = promql.labels(rule["expr"], [*emitted.samples, *recorded])
        named = set(re.findall(r"\$labels\.(\w+)", str(rule.get("annotations"))))
        assert named <= found, rule


def test_what_scales_the_system_is_emitted(emitted: Emitted) -> None:
    for document in yaml.safe_load_all(KEDA.read_text()):
        for trigger in document["spec"].get("triggers", ()):
            if trigger["type"] == "prometheus":
                promql.labels(trigger["metadata"]["query"], emitted.samples)


def test_every_metric_that_is_declared_is_emitted(emitted: Emitted) -> None:
    there = {name for name, _ in emitted.samples}
    assert {each.name for each in declared() if prometheus_name(each) not in there} == set()


def test_each_metric_has_the_attributes_it_declares_and_no_other(emitted: Emitted) -> None:
    known = {prometheus_name(each): each for each in declared()}
    for name, labels in emitted.samples:
        base = re.sub(r"_(bucket|sum)$", "_count", name)
        if base in ("target_info",):
            continue
        assert base in known, f"{name} is not declared"
        allowed = {attribute.replace(".", "_") for attribute in known[base].attributes}
        assert set(labels) <= allowed | TARGET | {"le"}, name


def test_no_metric_says_whose_webhook_it_was_or_where_it_went(emitted: Emitted) -> None:
    text = str(emitted.samples)
    assert [word for word in emitted.secrets if word in text] == []


def test_the_same_metrics_go_to_a_collector(emitted: Emitted) -> None:
    wanted = {each.name for each in declared()}
    seen = emitted.collector.metrics

    def missing() -> set[str]:
        return wanted - {name for names in list(seen.values()) for name in list(names)}

    with suppress(AssertionError):
        wait_until(lambda: not missing(), WITHIN_S)
    assert missing() == set()


def test_no_hop_is_missing_in_a_trace(emitted: Emitted) -> None:
    """From the request at ingest to the row in the log, and the receiver's part in between."""
    tenant = emitted.running.tenant()
    receiver = Receiver()
    tenant.webhook(receiver.url)
    tenant.send("order.paid", traceparent=f"00-{TRACE}-{'b' * 16}-01")
    hops = {*WAY, BESIDE}
    wait_until(lambda: hops <= {(s.service, s.name) for s in emitted.collector.of(TRACE)}, WITHIN_S)
    spans = emitted.collector.of(TRACE)
    receiver.close()
    known = {span.id for span in spans} | {"b" * 16}
    assert {span.parent for span in spans} <= known, "every span hangs on another"


TRACE = "a1" * 16


def test_spans_are_those_of_the_page_with_the_attributes_it_names(emitted: Emitted) -> None:
    page = (ROOT / "docs" / "observability.md").read_text()
    table = page.split("<!-- spans -->")[1].split("<!-- /spans -->")[0]
    told: dict[tuple[str, str], set[str]] = {}
    for row in table.strip().splitlines()[2:]:
        service, spans, attributes = (cell.strip() for cell in row.strip("|").split("|"))
        for span in re.findall("`([^`]*)`", spans):
            told[f"hookstream-{service}", span] = set(re.findall("`([^`]*)`", attributes))
    batch = {("hookstream-ingest", "POST /v1/events/batch")}  # nobody has sent one
    with suppress(AssertionError):
        wait_until(lambda: told.keys() - _spans(emitted).keys() <= batch, WITHIN_S)
    seen = _spans(emitted)
    assert set(seen) <= set(told)
    assert {key: seen[key] - told[key] for key in seen if seen[key] - told[key]} == {}
    assert set(told) - set(seen) == batch


def _spans(emitted: Emitted) -> dict[tuple[str, str], set[str]]:
    """(service, name) -> the attributes of all its spans; of services that deliver."""
    seen: dict[tuple[str, str], set[str]] = {}
    for span in list(emitted.collector.spans):
        if span.service != "hookstream-console":
            seen.setdefault((span.service, span.name), set()).update(span.attributes)
    return seen


def test_the_story_of_a_webhook_can_be_asked_for(emitted: Emitted) -> None:
    (path,) = [path for path in BOARDS if "webhook" in path.stem]
    asked = list(queries(json.loads(path.read_text())["panels"], "rawSql"))
    assert asked
    rows, now_s = [], int(time())
    with psycopg.connect(emitted.running.dsn, autocommit=True) as connection:

        def requested() -> list[tuple[str]]:
            """A delivery that a request was made for: others are still waiting for theirs."""
            return connection.execute(
                "SELECT a.delivery FROM attempts AS a JOIN deliveries AS d"
                " ON d.id = a.delivery AND d.day = a.day WHERE d.webhook = %s LIMIT 1",
                (emitted.webhook,),
            ).fetchall()

        ((delivery,),) = wait_until(requested, WITHIN_S)
        for query in asked:
            filled = query.replace("${webhook:sqlstring}", f"'{emitted.webhook}'")
            filled = filled.replace("${delivery:sqlstring}", f"'{delivery}'")
            filled = filled.replace("$__unixEpochFrom()", str(now_s - 600))
            filled = filled.replace("$__unixEpochTo()", str(now_s + 600))
            rows.append(len(connection.execute(filled.encode()).fetchall()))
    assert all(rows), rows
