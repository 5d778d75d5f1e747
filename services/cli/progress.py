"""A count that grows: one line that is rewritten on a terminal, a line a tenth elsewhere."""

import sys


class Progress:
    """`at` is told the count as it is now."""

    def __init__(self, total: int, what: str) -> None:
        self._total = total
        self._what = what
        self._told = -1
        self._tenth = max(1, total // 10)

    def at(self, count: int) -> None:
        """Show the count if it has grown enough to be worth it."""
        if sys.stdout.isatty():
            sys.stdout.write(f"\r  {count} of {self._total} {self._what}")
        elif count // self._tenth > self._told:
            self._told = count // self._tenth
            sys.stdout.write(f"  {count} of {self._total} {self._what}\n")
        sys.stdout.flush()

    def end(self) -> None:
        """No more counts follow."""
        if sys.stdout.isatty():
            sys.stdout.write("\n")
