"""Fixtures for all tests: every file in `tests/fixtures/` is loaded."""

from pathlib import Path

_FIXTURES = Path(__file__).parent / "fixtures"
pytest_plugins = [f"tests.fixtures.{file.stem}" for file in sorted(_FIXTURES.glob("[a-z]*.py"))]
