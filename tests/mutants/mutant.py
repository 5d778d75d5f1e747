"""One way to break the system on purpose, as a value."""

from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """`old` stands once in `file`; with `new` in its place, one of `tests` has to go red."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def apply(self, root: Path) -> str:
        """Break the tree at `root`; the text as it was. Raises `Gone`."""
        path = root / self.file
        text = path.read_text("utf-8") if path.exists() else ""
        if text.count(self.old) != 1:
            found = text.count(self.old)
            raise Gone(f"{self.name}: what it replaces stands {found} times in {self.file}")
        path.write_text(text.replace(self.old, self.new), "utf-8")
        return text

    def undo(self, root: Path, text: str) -> None:
        """Make the tree whole again."""
        (root / self.file).write_text(text, "utf-8")


class Gone(Exception):
    """The code has moved on: the mutant has to follow it."""
