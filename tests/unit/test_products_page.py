"""docs/products.md names a test for every promise, and every such test is on the page."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "products.md"
COUNTS = {"P": 9, "W": 14, "F": 8, "M": 10, "O": 5}
"""Rows by product: Prestavi, Workestra, Prefinery, Maestra, postpress."""
_ROW = re.compile(r"^\| ([PWFMO]\d+) \|.*\| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"`(test_\w+)`")
_NUMBER = re.compile(r"test_((?:[pwfmo]\d+_)+)")


def rows() -> dict[str, set[str]]:
    """Row -> the tests that the page names for it."""
    found = _ROW.findall(PAGE.read_text("utf-8"))
    assert len({row for row, _ in found}) == len(found), "a row stands there twice"
    return {row: set(_TEST.findall(tests)) for row, tests in found}


def numbered() -> dict[str, set[str]]:
    """Row -> the tests that bear its number, such as `test_w9_…` or `test_m6_m7_…`."""
    found: dict[str, set[str]] = {}
    for file in (ROOT / "tests" / "products").glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if match := _NUMBER.match(node.name):
                for row in match[1].upper().split("_")[:-1]:
                    found.setdefault(row, set()).add(node.name)
    return found


def test_every_promise_has_a_row_and_every_row_a_test() -> None:
    named = rows()
    wanted = {f"{product}{n}" for product, count in COUNTS.items() for n in range(1, count + 1)}
    assert named.keys() == wanted
    assert [row for row, tests in named.items() if not tests] == []


def test_the_page_names_the_tests_that_bear_the_row_s_number() -> None:
    assert rows() == numbered()
