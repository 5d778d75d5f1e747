"""Fixtures for all tests: every file in `tests/fixtures/` is loaded. And who runs what, when.

With `-n` a worker gets file after file; those that share a system stay together, so that it is
started once. What starts systems comes first, what is done in a moment last: workers end together.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any")  # how long an example takes says more of the machine than of us
_FIXTURES = Path(__file__).parent / "fixtures"
pytest_plugins = [f"tests.fixtures.{file.stem}" for file in sorted(_FIXTURES.glob("[a-z]*.py"))]

FIRST = ("products", "retry", "deliverer", "system", "ingest", "deploy", "embedded", "stream")
"""Of those that count time, retry's and the deliverer's run beside the products', which mostly wait
for theirs; the faults and the chaos, which keep the machine busy, beside each other."""
PLAIN = ("test_api_tour.py", "test_apply.py", "test_configuration.py")
"""Of `tests/system`: these share a system with all services and no settings of its own."""


def together(nodeid: str) -> str:
    """What one worker runs: all files that share a system, else a file."""
    path = Path(nodeid.partition("::")[0])
    if path.parent.name == "products":
        return "products"
    if path.parent.name == "system" and path.name in PLAIN:
        return "plain"
    return str(path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`--dist loadfile`, but for the files that stay together."""
    if config.getvalue("dist") != "loadfile":
        return None
    scheduler = LoadFileScheduling(config, log)
    scheduler._split_scope = together
    return scheduler


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order of files; that of a file's tests stays."""
    items.sort(key=lambda item: _rank(item.path))


def _rank(path: Path) -> tuple[int, bool]:
    folder = path.parent.name
    return (
        FIRST.index(folder) if folder in FIRST else len(FIRST),
        folder == "system" and path.name not in PLAIN,
    )
