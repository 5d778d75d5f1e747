"""What the tests of both embedded servers need."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

OWNER = """
import sys
from pathlib import Path
from hookstream.embedded.kafka import EmbeddedKafka
from hookstream.embedded.postgres import EmbeddedPostgres
server = {kind}(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""

Abandon = Callable[..., int]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new folder that every account can walk to; pytest's own are private to who runs it."""
    path = Path(tempfile.mkdtemp(prefix="hookstream-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def abandon() -> Abandon:
    """Have another process start such a server in a folder, and kill that process: the pid left.

    `whole`: what it has started to end the server is killed before it.
    """

    def start_and_kill(kind: type, folder: Path, *, whole: bool = True) -> int:
        command = [sys.executable, "-c", OWNER.format(kind=kind.__name__), str(folder)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as owner:
            assert owner.stdout is not None
            pid = int(owner.stdout.readline())
            for process in psutil.Process(owner.pid).children() if whole else ():
                if process.pid != pid:
                    process.kill()
            owner.kill()
        return pid

    return start_and_kill
