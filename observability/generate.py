"""Writes `observability/dashboards/*.json`: python -m observability.generate

The dashboards are what `observability/boards.py` says; a test fails if the files differ from it.
"""

import json
from pathlib import Path

from observability.boards import BOARDS
from observability.panels import Board, dashboard

FOLDER = Path(__file__).parent / "dashboards"


def written(board: Board) -> str:
    """The file's text."""
    return json.dumps(dashboard(board), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all of them."""
    for board in BOARDS:
        (FOLDER / f"{board.uid}.json").write_text(written(board))


if __name__ == "__main__":
    main()
