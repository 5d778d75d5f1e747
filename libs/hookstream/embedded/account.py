"""PostgreSQL refuses to run as root: the account and the folders it gets when we are root.

The account is one that systems have anyway; none is created. It must be able to walk to its data
and to its programs, and no folder of the user's is opened for that: if one of the folders above is
private (such as /root), data or programs live under /var/lib/hookstream, and the data folder that
was asked for holds a link to them.
"""

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hookstream.embedded.child import EmbeddedError

ACCOUNTS = ("postgres", "nobody")
REFUGE = Path("/var/lib/hookstream")


@dataclass(frozen=True)
class Account:
    """Who the server runs as. None: as we do."""

    uid: int | None = None
    gid: int | None = None

    def popen(self) -> dict[str, Any]:
        """What subprocess needs to start a program as this account."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def give(self, path: Path) -> None:
        """Make the account the owner of one file or folder."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Whether it can walk there: no folder above is closed to others."""
        return self.uid is None or all(
            folder.stat().st_mode & stat.S_IXOTH for folder in path.parents if folder.exists()
        )


def account_for(data: Path) -> Account:
    """Who runs the server: who owns the data if there is some, else the first of ACCOUNTS."""
    if os.geteuid() != 0:
        return Account()
    if data.exists():
        return Account(data.stat().st_uid, data.stat().st_gid)
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for entry in (known[name] for name in ACCOUNTS if name in known):
        return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        f"PostgreSQL does not run as root, and there is no account {' or '.join(ACCOUNTS)}: "
        "start Hookstream as another user, or give it the address of a database"
    )


def place_for_data(folder: Path, account: Account, refuge: Path = REFUGE) -> Path:
    """`folder/data` if the account reaches it, else a folder in the refuge, always the same one."""
    if account.reaches(folder / "data"):
        return folder / "data"
    return refuge / f"data-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"


def link(folder: Path, data: Path) -> None:
    """Lead from `folder/data` to data in the refuge. Without a link it was given up: emptied."""
    name = folder / "data"
    if data != name and not name.is_symlink():
        shutil.rmtree(data, ignore_errors=True)
        _open(data.parent)
        name.symlink_to(data)


def place_of_programs(wheel: Path, account: Account, refuge: Path = REFUGE) -> Path:
    """The installation in the wheel's package; a copy in the refuge if it is out of reach."""
    programs = wheel / "pginstall18"
    if account.reaches(programs / "bin" / "postgres"):
        return programs
    version = hashlib.sha256((programs / "bin" / "postgres").read_bytes()).hexdigest()[:16]
    copy = refuge / f"postgresql-{version}"
    if not copy.exists():
        _copy(wheel, programs, copy)
    return copy / wheel.name / programs.name


def _copy(wheel: Path, programs: Path, copy: Path) -> None:
    """Copy the installation and the libraries beside the package; whole or not at all."""
    with tempfile.TemporaryDirectory(dir=_open(copy.parent)) as scratch:
        new = _open(Path(scratch) / "new")
        shutil.copytree(programs, _open(new / wheel.name) / programs.name)
        libraries = wheel.with_name(f"{wheel.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, new / libraries.name)
        new.rename(copy)


def _open(folder: Path) -> Path:
    """A folder that everybody can walk through."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    return folder
