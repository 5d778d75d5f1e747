"""Files for those who run it: as generated, as documented, and each alert with its runbook."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hookstream.stream.topics import DELIVERIES, topics
from observability.boards import BOARDS
from observability.generate import FOLDER, written
from services.cli.main import COMMANDS
from services.cli.settings import known
from tests.unit.metrics_declared import BEGINS, ENDS, PAGE, ROOT, declared, table

RULES = yaml.safe_load((ROOT / "observability" / "alerts.yaml").read_text())["groups"]
ALERTS: list[dict[str, Any]] = [r for group in RULES for r in group["rules"] if "alert" in r]
BOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
FORBIDDEN = re.compile("url|host|address|webhook.id|workspace|delivery.id|event.id|lane", re.I)


def test_dashboards_are_what_the_generator_writes() -> None:
    files = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert files == {f"{board.uid}.json": written(board) for board in BOARDS}, (
        "python -m observability.generate"
    )


def test_the_table_of_metrics_is_what_is_declared() -> None:
    text = PAGE.read_text()
    there = text[text.index(BEGINS) : text.index(ENDS) + len(ENDS)]
    assert there == table(), "python -m tests.unit.metrics_declared"


def test_names_of_metrics_are_declared_once_and_no_attribute_is_somebodys() -> None:
    names = [each.name for each in declared()]
    assert len(set(names)) == len(names)
    attributes = {attribute for each in declared() for attribute in each.attributes}
    assert [name for name in attributes if FORBIDDEN.search(name)] == []


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_each_alert_has_its_page_and_says_how_bad_it_is(alert: dict[str, Any]) -> None:
    book = ROOT / alert["annotations"]["runbook"]
    assert f"`{alert['alert']}`" in book.read_text().splitlines()[1]
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert alert["annotations"]["summary"]


@pytest.mark.parametrize("book", BOOKS, ids=lambda path: path.stem)
def test_each_page_has_an_alert_and_names_what_there_is(book: Path) -> None:
    text = book.read_text()
    assert f"docs/runbooks/{book.name}" in {a["annotations"]["runbook"] for a in ALERTS}
    assert re.findall("^## (.*)", text, re.M) == [
        "What it means",
        "How to see it",
        "What to do",
    ]
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (book.parent / link).resolve().exists(), link
    commands = set(re.findall(r"`hookstream ([a-z]+)", text))
    assert commands <= set(COMMANDS), commands
    prefixes = tuple(f"HOOKSTREAM_{vars(group)['section'].upper()}_" for group in known())
    assert all(name.startswith(prefixes) for name in re.findall(r"HOOKSTREAM_[A-Z_]+", text))


def test_the_alarm_of_unread_records_rings_at_half_of_what_topics_keep() -> None:
    (alert,) = [a for a in ALERTS if a["alert"] == "HookstreamUnreadNearRetention"]
    (deliveries,) = [topic for topic in topics() if topic.name == DELIVERIES]
    half_s = int(deliveries.config["retention.ms"]) // 2000
    assert alert["expr"].endswith(f"> {half_s}")


def test_configurations_are_yaml_and_name_each_other() -> None:
    folder = ROOT / "observability"
    collector = yaml.safe_load((folder / "collector.yaml").read_text())
    for pipeline in collector["service"]["pipelines"].values():
        for part, names in pipeline.items():
            assert set(names) <= set(collector[part]), f"{part}: {names}"
    kept = {p["type"] for p in collector["processors"]["tail_sampling"]["policies"]}
    assert kept == {"status_code", "latency", "numeric_attribute", "probabilistic"}
    sources = yaml.safe_load(
        (folder / "grafana/provisioning/datasources/hookstream.yaml").read_text()
    )["datasources"]
    wanted = {v["query"] for b in BOARDS for v in _sources(written(b))}
    assert wanted <= {each["type"] for each in sources}


def _sources(text: str) -> list[dict[str, Any]]:
    board = yaml.safe_load(text)  # JSON is YAML
    return [v for v in board["templating"]["list"] if v["type"] == "datasource"]
