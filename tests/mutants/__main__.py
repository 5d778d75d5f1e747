"""`make mutants`: break the system in each way of the table; show which test notices.

Works on copies of the tree, two mutants at a time. Exit code 1 if a mutant stays green, if what it
replaces is not there any more, or if the tests are red without any.
"""

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.mutant import Gone, Mutant
from tests.mutants.table import MUTANTS

ROOT = Path(__file__).parents[2]
AT_A_TIME = 2
WITHIN_S = 300
"""A mutant's tests end by then; one that hangs the tests for longer counts as not noticed."""
UNBROKEN_S = 900
_NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", ".hookstream")
_RED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the mutants that are named, or all."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="words of the mutants' names; none: all")
    words = parser.parse_args(argv).names
    chosen = [m for m in MUTANTS if not words or any(word in m.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="hookstream-mutants-") as folder:
        trees = [_copied(Path(folder) / str(number)) for number in range(AT_A_TIME)]
        unbroken = _tested(trees[0], sorted({t for m in chosen for t in m.tests}), UNBROKEN_S)
        if unbroken:
            print(f"red without any mutant: {unbroken}")
            return 1
        green = _all(chosen, trees)
    print(f"== mutants: {len(chosen) - len(green)} of {len(chosen)} noticed ==")
    for name in green:
        print(f"   not noticed: {name}")
    return 1 if green or not chosen else 0


def _all(chosen: Sequence[Mutant], trees: Sequence[Path]) -> list[str]:
    """The mutants that nothing noticed."""
    free: queue.Queue[Path] = queue.Queue()
    for tree in trees:
        free.put(tree)

    def one(mutant: Mutant) -> str | None:
        tree = free.get()
        try:
            return _noticed(mutant, tree)
        finally:
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        found = list(pool.map(one, chosen))
    return [mutant.name for mutant, test in zip(chosen, found, strict=True) if test is None]


def _noticed(mutant: Mutant, tree: Path) -> str | None:
    """The test that went red."""
    begun = time.monotonic()
    try:
        text = mutant.apply(tree)
    except Gone as gone:
        print(gone, flush=True)
        return None
    try:
        red = _tested(tree, mutant.tests, WITHIN_S)
    finally:
        mutant.undo(tree, text)
    took_s = time.monotonic() - begun
    print(f"{mutant.name:58} {red or 'GREEN'}  ({took_s:.0f} s)", flush=True)
    return red or None


def _tested(tree: Path, tests: Sequence[str], within_s: float) -> str:
    """The test that went red in this tree; empty if all are green, or if they never ended."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-rfE", *tests]
    paths = os.pathsep.join([str(tree / "libs"), str(tree)])
    environ = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=environ, capture_output=True, text=True, timeout=within_s
        )
    except subprocess.TimeoutExpired:
        return ""
    red = _RED.search(done.stdout)
    if done.returncode == 0:
        return ""
    if done.returncode == 1 and red is not None:
        return red[1]
    sys.stderr.write(f"pytest ended with {done.returncode}\n{done.stdout[-3000:]}{done.stderr}\n")
    return "" if within_s == WITHIN_S else "pytest itself"


def _copied(tree: Path) -> Path:
    shutil.copytree(ROOT, tree, ignore=_NOT_COPIED, symlinks=True)
    return tree


if __name__ == "__main__":
    raise SystemExit(main())
