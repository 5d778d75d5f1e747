"""Runs the rows one after the other, and tells each as it is done."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.http_load import LoadError
from bench.kafka_load import KafkaLoadError
from bench.rows import Row, Rows, Sizes
from bench.stage import Stage, WrongCount
from bench.table import HEAD, line

NAMES = (
    "floor",
    "deliverer",
    "ingest",
    "ingest-batch",
    "system-http",
    "system-kafka",
    "fanout-4",
)
OF_FILE = ("system-http-github", "system-kafka-github")
FAILURES = (WrongCount, LoadError, KafkaLoadError, subprocess.SubprocessError)


def run(
    names: Sequence[str], sizes: Sizes, file: Path | None, tell: Callable[[str], None]
) -> list[Row]:
    """The rows asked for; one that fails says why, and the others go on."""
    with Stage(tell) as stage:
        rows = Rows(stage, sizes, file)
        tell("warming up")
        rows.warm_up()
        tell(HEAD)
        done = []
        for name in names:
            done.append(_one(rows, name))
            tell(line(done[-1]))
        return done


def _one(rows: Rows, name: str) -> Row:
    try:
        return rows.by_name[name]()
    except FAILURES as error:
        return Row(name=name, failed=f"{type(error).__name__}: {error}")
