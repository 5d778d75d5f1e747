"""Every metric that is declared anywhere, and the table of them: docs/observability.md.

python -m tests.unit.metrics_declared
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from opentelemetry.exporter.prometheus._mapping import map_unit, sanitize_full_name

from hookstream.process import served, streaming_metrics, vitals
from hookstream.process.metrics import Declared

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "observability.md"
BEGINS, ENDS = "<!-- metrics -->\n", "<!-- /metrics -->\n"
WHERE = {
    "every service": vitals,
    "on Kafka": streaming_metrics,
    "ingest and console": served,
}


def modules() -> Iterator[tuple[str, ModuleType]]:
    """Where metrics are declared, and who has them."""
    yield from WHERE.items()
    for path in sorted((ROOT / "services").glob("*/metrics.py")):
        name = path.parent.name
        yield name, importlib.import_module(f"services.{name}.metrics")


def declared() -> list[Declared]:
    """All of them."""
    return [each for _, module in modules() for each in module.METRICS]


def prometheus_name(metric: Declared) -> str:
    """What it is called at /metrics; of a histogram the count."""
    unit = map_unit(metric.unit)
    ending = {"counter": "_total", "histogram": "_count", "gauge": ""}[metric.kind]
    return sanitize_full_name(metric.name) + (f"_{unit}" if unit else "") + ending


def table() -> str:
    """The table, between its marks."""
    rows = ["| name | at /metrics | kind | unit | attributes | what it is |", "|" + "---|" * 6]
    for who, module in modules():
        rows.append(f"| **{who}** | | | | | |")
        for each in module.METRICS:
            attributes = ", ".join(f"`{name}`" for name in each.attributes)
            rows.append(
                f"| `{each.name}` | `{prometheus_name(each)}` | {each.kind} | {each.unit} |"
                f" {attributes} | {each.says} |"
            )
    return BEGINS + "\n".join(rows) + "\n" + ENDS


def main() -> None:
    """Write the table into its page."""
    text = PAGE.read_text()
    before, after = text.split(BEGINS)[0], text.split(ENDS)[1]
    PAGE.write_text(before + table() + after)


if __name__ == "__main__":
    main()
