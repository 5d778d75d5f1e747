"""The shapes that dashboards are made of, as Grafana wants them in JSON."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

Json = dict[str, Any]

METRICS = {"type": "prometheus", "uid": "${metrics}"}
TRACES = {"type": "tempo", "uid": "${traces}"}
DATABASE = {"type": "grafana-postgresql-datasource", "uid": "${database}"}
WIDTH = 24

TRACE_LINK: Json = {
    "matcher": {"id": "byName", "options": "trace_id"},
    "properties": [
        {
            "id": "links",
            "value": [
                {
                    "title": "The trace",
                    "url": "",
                    "internal": {
                        "datasourceUid": "${traces}",
                        "datasourceName": "",
                        "query": {"query": "${__value.raw}", "queryType": "traceql", "refId": "A"},
                    },
                }
            ],
        }
    ],
}
"""A table's trace ids open their traces."""


class Line(NamedTuple):
    """One query of a panel, and the name of what it draws; empty: the labels it is summed by."""

    expr: str
    legend: str = ""


class Panel(NamedTuple):
    """One panel: `kind` is Grafana's, `lines` are PromQL, or SQL for a table."""

    title: str
    lines: Sequence[Line]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    says: str = ""
    warn: float | None = None
    """From here on it is drawn in red."""
    stacked: bool = False
    options: Json | None = None


class Row(NamedTuple):
    """A heading over some panels."""

    title: str
    panels: Sequence[Panel]


class Board(NamedTuple):
    """One dashboard; `variables` besides those for the data sources."""

    uid: str
    title: str
    says: str
    rows: Sequence[Row]
    variables: Sequence[Json] = ()
    sources: Sequence[str] = ("metrics",)


def source(name: str) -> Json:
    """A variable that chooses a data source: no dashboard knows the uid of any."""
    kinds = {"metrics": METRICS, "traces": TRACES, "database": DATABASE}
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "datasource",
        "query": kinds[name]["type"],
        "refresh": 1,
    }


def service_variable() -> Json:
    """A variable that chooses services; all at first."""
    return {
        "name": "service",
        "label": "Service",
        "type": "query",
        "datasource": METRICS,
        "query": {"query": "label_values(process_uptime_seconds, service_name)", "refId": "v"},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def text_variable(name: str, label: str) -> Json:
    """A variable that is typed in."""
    return {"name": name, "label": label, "type": "textbox", "query": ""}


def dashboard(board: Board) -> Json:
    """The whole dashboard."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.says,
        "tags": ["hookstream"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [
            {
                "type": "dashboards",
                "tags": ["hookstream"],
                "title": "Hookstream",
                "asDropdown": True,
                "includeVars": False,
                "keepTime": True,
            }
        ],
        "templating": {"list": [*map(source, board.sources), *board.variables]},
        "panels": _placed(board.rows),
    }


def _placed(rows: Sequence[Row]) -> list[Json]:
    """Panels from left to right, a row's heading above them."""
    placed: list[Json] = []
    y = 0
    for row in rows:
        place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        placed.append({"id": len(placed) + 1, "type": "row", "title": row.title, "gridPos": place})
        x, y, tallest = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            placed.append({"id": len(placed) + 1, "gridPos": place, **_panel(panel)})
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return placed


def _panel(panel: Panel) -> Json:
    of_sql = panel.kind == "table"
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": DATABASE if of_sql else METRICS,
        "fieldConfig": {"defaults": _drawn(panel), "overrides": [TRACE_LINK] if of_sql else []},
        "options": panel.options or _options(panel),
        "targets": [
            _sql(line, number) if of_sql else _promql(line, number, panel)
            for number, line in enumerate(panel.lines)
        ],
    }


def _drawn(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.warn is not None:
        steps.append({"color": "red", "value": panel.warn})
    drawn: Json = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        stacking = {"mode": "normal" if panel.stacked else "none"}
        drawn["custom"] = {"fillOpacity": 20 if panel.stacked else 0, "stacking": stacking}
        drawn["min"] = 0
        if panel.warn is not None:
            drawn["custom"]["thresholdsStyle"] = {"mode": "line"}
    return drawn


def _options(panel: Panel) -> Json:
    if panel.kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
    if panel.kind == "table":
        return {"showHeader": True}
    return {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _promql(line: Line, number: int, panel: Panel) -> Json:
    return {
        "refId": chr(ord("A") + number),
        "datasource": METRICS,
        "expr": line.expr,
        "legendFormat": line.legend or _labels(line.expr),
        "range": panel.kind != "stat",
        "instant": panel.kind == "stat",
    }


def _labels(expr: str) -> str:
    """What tells the series of a query apart."""
    found = re.search(r"by \(([^)]*)\)", expr)
    names = [name.strip() for name in found[1].split(",")] if found else []
    return " ".join(f"{{{{{name}}}}}" for name in names if name != "le") or "__auto"


def _sql(line: Line, number: int) -> Json:
    return {
        "refId": chr(ord("A") + number),
        "datasource": DATABASE,
        "rawSql": line.expr,
        "rawQuery": True,
        "format": "table",
        "editorMode": "code",
    }
